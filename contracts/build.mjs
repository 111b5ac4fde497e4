// Compiles every contract of this folder into compiled.json, and Reader, which is never placed, into reader.hex;
// or with --check compares.
//
// The settings are part of the result: another compiler, optimizer or EVM version gives other bytes, and the wallets' CREATE2
// addresses hash those bytes. `bytecodeHash: none` keeps a changed comment from changing code.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import solc from 'solc';

const HERE = path.dirname(fileURLToPath(import.meta.url));

const input = {
  language: 'Solidity',
  sources: Object.fromEntries(fs.readdirSync(HERE).filter(f => f.endsWith('.sol')).sort()
    .map(f => [f, { content: fs.readFileSync(path.join(HERE, f), 'utf8') }])),
  settings: {
    optimizer: { enabled: true, runs: 100000 },
    viaIR: true,
    evmVersion: 'cancun',
    metadata: { bytecodeHash: 'none', appendCBOR: false },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode', 'evm.deployedBytecode'] } },
  },
};

/** Runtime code is placed as it is, so nothing in it may wait for a constructor or a linker. */
function placeable(name, runtime) {
  if (Object.keys(runtime.immutableReferences ?? {}).length) throw new Error(`${name} has immutables`);
  if (Object.keys(runtime.linkReferences ?? {}).length) throw new Error(`${name} needs linking`);
}

function compile() {
  const output = JSON.parse(solc.compile(JSON.stringify(input), {
    import: file => input.sources[file] ?? { error: 'not in this folder' },
  }));
  const errors = (output.errors ?? []).filter(e => e.severity !== 'info');
  if (errors.length) throw new Error(errors.map(e => e.formattedMessage).join('\n'));

  const found = {};
  let reader;
  for (const contracts of Object.values(output.contracts)) {
    for (const [name, { abi, evm }] of Object.entries(contracts)) {
      if (!evm.deployedBytecode.object) continue; // an interface or an abstract contract
      if (name === 'Reader') { reader = evm.bytecode.object; continue; } // its constructor is all of it
      if (found[name]) throw new Error(`two contracts are called ${name}`);
      placeable(name, evm.deployedBytecode);
      found[name] = { abi, runtime: '0x' + evm.deployedBytecode.object, creation: '0x' + evm.bytecode.object };
    }
  }
  // One contract per line: a diff names the contracts that changed.
  const lines = Object.keys(found).sort().map(name => `${JSON.stringify(name)}:${JSON.stringify(found[name])}`);
  const license = `"_license":"Apache-2.0, compiled from contracts/*.sol with solc ${solc.version()}"`;
  return { 'compiled.json': `{\n${[license, ...lines].join(',\n')}\n}\n`, 'reader.hex': `0x${reader}\n` };
}

const check = process.argv.includes('--check');
for (const [name, fresh] of Object.entries(compile())) {
  const file = path.join(HERE, name);
  if (!check) {
    fs.writeFileSync(file, fresh);
  } else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== fresh) {
    console.error(`contracts/${name} is stale: run \`node contracts/build.mjs\``);
    process.exit(1);
  } else {
    console.log(`contracts/${name} is what the sources compile to`);
  }
}
