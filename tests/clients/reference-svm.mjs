// The stock facilitator for Solana as a service: the control that tells a broken test from a broken facilitator.
//   node reference-svm.mjs --rpc URL --key BASE58
// Prints one line of JSON with its URL when it listens, and ends when its standard input does.
import { createKeyPairSignerFromBytes, getBase58Encoder } from '@solana/kit';
import { x402Facilitator } from '@x402/core/facilitator';
import { toFacilitatorSvmSigner } from '@x402/svm';
import { registerExactSvmScheme } from '@x402/svm/exact/facilitator';
import { SOLANA_DEVNET, option, serveFacilitator } from './options.mjs';

const account = await createKeyPairSignerFromBytes(getBase58Encoder().encode(option('key')));
const signer = toFacilitatorSvmSigner(account, { defaultRpcUrl: option('rpc') });
const facilitator = new x402Facilitator();
registerExactSvmScheme(facilitator, { signer, networks: SOLANA_DEVNET });
await serveFacilitator(facilitator);
