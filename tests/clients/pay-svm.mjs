// A stock resource server and a stock buyer on Solana, protocol version 2, against any facilitator.
//   node pay-svm.mjs --facilitator URL --rpc URL --key BASE58 --pay-to KEY --asset MINT [--amount 2500] [--count 1]
import express from 'express';
import { createKeyPairSignerFromBytes, getBase58Encoder } from '@solana/kit';
import { HTTPFacilitatorClient } from '@x402/core/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { ExactSvmScheme as ExactClient } from '@x402/svm/exact/client';
import { ExactSvmScheme as ExactServer } from '@x402/svm/exact/server';
import { SOLANA_DEVNET, buy, listen, option } from './options.mjs';

const price = { amount: option('amount', '2500'), asset: option('asset') };
const accepts = [{ scheme: 'exact', price, network: SOLANA_DEVNET, payTo: option('pay-to') }];
const facilitator = new HTTPFacilitatorClient({ url: option('facilitator') });
const resource = new x402ResourceServer(facilitator).register(SOLANA_DEVNET, new ExactServer());
const app = express();
app.use(paymentMiddleware({ 'GET /paid': { accepts, description: 'test', mimeType: 'application/json' } }, resource));
app.get('/paid', (_request, response) => response.json({ hello: 'paid world' }));
const { url } = await listen(app);

const buyer = await createKeyPairSignerFromBytes(getBase58Encoder().encode(option('key')));
const client = new x402Client().register(SOLANA_DEVNET, new ExactClient(buyer, { rpcUrl: option('rpc') }));
// Unless told otherwise it pays only in tokens that the packages know.
client.setSpendControls({ allowedAssets: [{ network: SOLANA_DEVNET, asset: option('asset') }] });
const receiptOf = headers => {
  const header = headers.get('payment-response');
  return header && decodePaymentResponseHeader(header);
};
await buy(`${url}/paid`, wrapFetchWithPayment(fetch, client), Number(option('count', '1')), receiptOf);
