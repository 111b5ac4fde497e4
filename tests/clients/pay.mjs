// A stock resource server and a stock buyer, protocol version 2, against any facilitator.
//   node pay.mjs --facilitator URL --key 0x… --pay-to 0x… [--amount 2500] [--count 1] [--method eip3009|permit2]
import express from 'express';
import { HTTPFacilitatorClient } from '@x402/core/server';
import { ExactEvmScheme as ExactClient } from '@x402/evm/exact/client';
import { ExactEvmScheme as ExactServer } from '@x402/evm/exact/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { privateKeyToAccount } from 'viem/accounts';
import { BASE_SEPOLIA, USDC, buy, listen, option } from './options.mjs';

const permit2 = option('method', 'eip3009') === 'permit2';
const price = {
  amount: option('amount', '2500'),
  asset: USDC,
  extra: { name: 'USDC', version: '2', ...(permit2 ? { assetTransferMethod: 'permit2' } : {}) },
};
const accepts = [{ scheme: 'exact', price, network: BASE_SEPOLIA, payTo: option('pay-to') }];
const facilitator = new HTTPFacilitatorClient({ url: option('facilitator') });
const resource = new x402ResourceServer(facilitator).register(BASE_SEPOLIA, new ExactServer());
const app = express();
app.use(paymentMiddleware({ 'GET /paid': { accepts, description: 'test', mimeType: 'application/json' } }, resource));
app.get('/paid', (_request, response) => response.json({ hello: 'paid world' }));
const { url } = await listen(app);

const client = new x402Client().register(BASE_SEPOLIA, new ExactClient(privateKeyToAccount(option('key'))));
const receiptOf = headers => {
  const header = headers.get('payment-response');
  return header && decodePaymentResponseHeader(header);
};
await buy(`${url}/paid`, wrapFetchWithPayment(fetch, client), Number(option('count', '1')), receiptOf);
