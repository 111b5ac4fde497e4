// The stock facilitator as a service: the control that tells a broken test from a broken facilitator.
//   node reference.mjs --rpc URL --key 0x… --factory 0x…
// Prints one line of JSON with its URL when it listens, and ends when its standard input does.
import { x402Facilitator } from '@x402/core/facilitator';
import { toFacilitatorEvmSigner } from '@x402/evm';
import { registerExactEvmScheme } from '@x402/evm/exact/facilitator';
import { createWalletClient, http, publicActions } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { BASE_SEPOLIA, option, serveFacilitator } from './options.mjs';

const account = privateKeyToAccount(option('key'));
const transport = http(option('rpc'));
const wallet = createWalletClient({ account, chain: baseSepolia, transport, pollingInterval: 50 }).extend(publicActions);
const signer = toFacilitatorEvmSigner({ ...wallet, address: account.address });
const facilitator = new x402Facilitator();
registerExactEvmScheme(facilitator, { signer, networks: BASE_SEPOLIA, eip6492AllowedFactories: [option('factory')] });
facilitator.registerExtension({ key: 'eip2612GasSponsoring' });
await serveFacilitator(facilitator);
