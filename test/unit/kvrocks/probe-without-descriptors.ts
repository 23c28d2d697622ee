// Probes one node after every file descriptor of this process has been used up, and prints what came of it.

import { openSync } from 'node:fs';

import { Secret } from '../../../src/base/secret.ts';
import { KvrocksClient } from '../../../src/kvrocks/client.ts';
import { NameResolver } from '../../../src/names/name-resolver.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { parseAddress } from '../../../src/topology/node.ts';

const address = parseAddress(process.argv[2] ?? '');
if (!address.ok) throw new Error('usage: probe-without-descriptors.ts host:port');
const client = new KvrocksClient({ clock: systemClock, names: new NameResolver({ clock: systemClock }) });
try {
  for (;;) openSync('/dev/null', 'r');
} catch {
  // None is left.
}
const result = await client.probe({ address: address.value, password: Secret.none }, 5000);
process.stdout.write(JSON.stringify(result));
