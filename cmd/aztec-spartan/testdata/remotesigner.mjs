// A remote signer, as the node's client of Web3Signer speaks to one (node-keystore/src/signer.ts): anvil at L1 signs for
// its accounts, and viem what anvil does not sign, transactions with blobs, by KEY. What was signed is printed.
import { createServer } from 'node:http';
import { privateKeyToAccount } from 'viem/accounts';

const { L1, PORT, KEY } = process.env;
const account = privateKeyToAccount(KEY);

async function ask(body) {
  const answer = await fetch(L1, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  return answer.json();
}

const chainId = Number((await ask('{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}')).result);

async function answer(body) {
  const { id, method, params } = JSON.parse(body);
  console.log(method);
  if (method !== 'eth_signTransaction' || !params[0].blobVersionedHashes) {
    return ask(body);
  }
  const { from, to, data, nonce, blobVersionedHashes, ...numbers } = params[0];
  if (from.toLowerCase() !== account.address.toLowerCase()) {
    return { jsonrpc: '2.0', id, error: { code: -32000, message: `no key for ${from}` } };
  }
  const tx = { type: 'eip4844', chainId, to, data, nonce: Number(nonce), blobVersionedHashes, sidecars: false };
  for (const name of ['value', 'gas', 'maxFeePerGas', 'maxPriorityFeePerGas', 'maxFeePerBlobGas']) {
    tx[name] = numbers[name] === undefined ? undefined : BigInt(numbers[name]);
  }
  return { jsonrpc: '2.0', id, result: await account.signTransaction(tx) };
}

createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
  }
  try {
    response.end(JSON.stringify(await answer(body)));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
}).listen(Number(PORT), '127.0.0.1', () => console.log('listening'));
