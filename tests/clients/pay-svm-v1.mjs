// A stock resource server and a stock buyer on Solana, protocol version 1, against any facilitator.
//   node pay-svm-v1.mjs --facilitator URL --rpc URL --key BASE58 --pay-to KEY --asset MINT [--amount 2500] [--count 1]
import express from 'express';
import { createKeyPairSignerFromBytes, getBase58Encoder } from '@solana/kit';
import { paymentMiddleware } from 'x402-express';
import { decodeXPaymentResponse, wrapFetchWithPayment } from 'x402-fetch';
import { buy, listen, option } from './options.mjs';

const asset = { address: option('asset'), decimals: 6 };
const route = { price: { amount: option('amount', '2500'), asset }, network: 'solana-devnet', config: { description: 'test' } };
const app = express();
app.use(paymentMiddleware(option('pay-to'), { 'GET /paid': route }, { url: option('facilitator') }));
app.get('/paid', (_request, response) => response.json({ hello: 'paid world' }));
const { url } = await listen(app);

const buyer = await createKeyPairSignerFromBytes(getBase58Encoder().encode(option('key')));
const pay = wrapFetchWithPayment(fetch, buyer, undefined, undefined, { svmConfig: { rpcUrl: option('rpc') } });
const receiptOf = headers => {
  const header = headers.get('x-payment-response');
  return header && decodeXPaymentResponse(header);
};
await buy(`${url}/paid`, pay, Number(option('count', '1')), receiptOf);
