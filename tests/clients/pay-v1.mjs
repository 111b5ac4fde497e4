// A stock resource server and a stock buyer, protocol version 1, against any facilitator.
//   node pay-v1.mjs --facilitator URL --key 0x… --pay-to 0x… [--amount 2500] [--count 1]
import express from 'express';
import { createWalletClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { paymentMiddleware } from 'x402-express';
import { decodeXPaymentResponse, wrapFetchWithPayment } from 'x402-fetch';
import { USDC, buy, listen, option } from './options.mjs';

const asset = { address: USDC, decimals: 6, eip712: { name: 'USDC', version: '2' } };
const route = { price: { amount: option('amount', '2500'), asset }, network: 'base-sepolia', config: { description: 'test' } };
const app = express();
app.use(paymentMiddleware(option('pay-to'), { 'GET /paid': route }, { url: option('facilitator') }));
app.get('/paid', (_request, response) => response.json({ hello: 'paid world' }));
const { url } = await listen(app);

// The buyer signs only: its transport is never used.
const buyer = createWalletClient({ account: privateKeyToAccount(option('key')), chain: baseSepolia, transport: http('http://127.0.0.1:1') });
const receiptOf = headers => {
  const header = headers.get('x-payment-response');
  return header && decodeXPaymentResponse(header);
};
await buy(`${url}/paid`, wrapFetchWithPayment(fetch, buyer), Number(option('count', '1')), receiptOf);
