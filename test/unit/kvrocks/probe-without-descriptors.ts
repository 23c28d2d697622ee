// Probes one node while this process may open no further file descriptor, and prints what came of it.

import { execFileSync } from 'node:child_process';

import { Secret } from '../../../src/base/secret.ts';
import { KvrocksClient } from '../../../src/kvrocks/client.ts';
import { NameResolver } from '../../../src/names/name-resolver.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { parseAddress } from '../../../src/topology/node.ts';

const address = parseAddress(process.argv[2] ?? '');
if (!address.ok) throw new Error('usage: probe-without-descriptors.ts host:port');
const client = new KvrocksClient({ clock: systemClock, names: new NameResolver({ clock: systemClock }) });
// Descriptors that are open stay so; a number that becomes free again is still above the limit.
execFileSync('prlimit', [`--pid=${process.pid}`, '--nofile=3:3']);
const result = await client.probe({ address: address.value, password: Secret.none }, 5000);
client.close();
process.stdout.write(JSON.stringify(result));
