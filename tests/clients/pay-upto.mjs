// A stock resource server that charges less than it was allowed, and a stock buyer, protocol version 2, against any facilitator.
//   node pay-upto.mjs --facilitator URL --rpc URL --key 0x… --pay-to 0x… [--amount 2500] [--charge 900] [--count 1]
import express from 'express';
import { HTTPFacilitatorClient } from '@x402/core/server';
import { UptoEvmScheme as UptoClient } from '@x402/evm/upto/client';
import { UptoEvmScheme as UptoServer } from '@x402/evm/upto/server';
import { paymentMiddleware, setSettlementOverrides, x402ResourceServer } from '@x402/express';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { privateKeyToAccount } from 'viem/accounts';
import { BASE_SEPOLIA, USDC, buy, listen, option } from './options.mjs';

const charge = option('charge', '900');
const price = { amount: option('amount', '2500'), asset: USDC, extra: { name: 'USDC', version: '2' } };
const accepts = [{ scheme: 'upto', price, network: BASE_SEPOLIA, payTo: option('pay-to') }];
const facilitator = new HTTPFacilitatorClient({ url: option('facilitator') });
const resource = new x402ResourceServer(facilitator).register(BASE_SEPOLIA, new UptoServer());
const app = express();
app.use(paymentMiddleware({ 'GET /paid': { accepts, description: 'test', mimeType: 'application/json' } }, resource));
app.get('/paid', (_request, response) => {
  setSettlementOverrides(response, { amount: charge });
  response.json({ hello: 'paid world' });
});
const { url } = await listen(app);

const buyer = new UptoClient(privateKeyToAccount(option('key')), { rpcUrl: option('rpc') });
const client = new x402Client().register(BASE_SEPOLIA, buyer);
const receiptOf = headers => {
  const header = headers.get('payment-response');
  return header && decodePaymentResponseHeader(header);
};
await buy(`${url}/paid`, wrapFetchWithPayment(fetch, client), Number(option('count', '1')), receiptOf);
