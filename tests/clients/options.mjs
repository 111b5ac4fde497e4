// What every script here takes: `--name value` pairs, the networks that our chains play, and the asset that our sandbox calls USDC.
import express from 'express';

export const USDC = '0x036CbD53842c5426634e7929541eC2318f3dCF7e';
export const BASE_SEPOLIA = 'eip155:84532';
export const SOLANA_DEVNET = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1';

/** The value after `--name`; ends the script when it is missing and there is no fallback. */
export function option(name, fallback) {
  const value = process.argv[process.argv.indexOf(`--${name}`) + 1];
  const given = process.argv.includes(`--${name}`) && value !== undefined;
  if (!given && fallback === undefined) throw new Error(`--${name} is missing`);
  return given ? value : fallback;
}

/** Serves an express application on a free port of this machine. */
export function listen(app) {
  return new Promise(ready => {
    const server = app.listen(0, '127.0.0.1', () => ready({ server, url: `http://127.0.0.1:${server.address().port}` }));
  });
}

/** Serves a stock facilitator, prints one line of JSON with its URL, and ends when standard input does. */
export async function serveFacilitator(facilitator) {
  const app = express();
  app.use(express.json());
  app.get('/supported', (_request, response) => response.json(facilitator.getSupported()));
  for (const step of ['verify', 'settle']) {
    app.post(`/${step}`, async ({ body }, response) => {
      try {
        response.json(await facilitator[step](body.paymentPayload, body.paymentRequirements));
      } catch (cause) {
        response.status(500).json({ error: String(cause) });
      }
    });
  }
  const { url } = await listen(app);
  console.log(JSON.stringify({ url }));
  process.stdin.on('end', () => process.exit(0)).resume();
}

/** Asks once without paying, then `count` times with; prints one line of JSON and ends: 0 when everything was paid. */
export async function buy(url, pay, count, receiptOf) {
  const unpaid = (await fetch(url)).status;
  const payments = [];
  for (let i = 0; i < count; i++) payments.push(await buyOnce(url, pay, receiptOf));
  console.log(JSON.stringify({ unpaid, payments }));
  const paid = payments.every(payment => payment.status === 200 && payment.receipt?.success === true);
  process.exit(unpaid === 402 && paid ? 0 : 1);
}

async function buyOnce(url, pay, receiptOf) {
  try {
    const response = await pay(url);
    const body = await response.text();
    return { status: response.status, receipt: receiptOf(response.headers), ...(response.ok ? {} : { body: body.slice(0, 500) }) };
  } catch (cause) {
    return { status: 0, receipt: null, body: String(cause) };
  }
}
