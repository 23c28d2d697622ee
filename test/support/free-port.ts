// Ports for servers that tests start, stop and start again on the same port.

import { createServer } from 'node:net';

import { randomBelow } from '../../src/base/random.ts';
import { createSystemRandom } from '../../src/system/random.ts';

/**
 * Below the range that the system gives to outgoing connections (32768 and up on Linux): a port of that range could be
 * taken by any client while the server that had it is restarted. Also low enough for the printed bus port (+10000).
 */
const PORT_MIN = 20_000;
const PORT_COUNT = 12_000;
const ATTEMPTS = 1_000;
const TRIO_PORT_MIN = 16_000;
/** Kept apart for each trio, and the trios of all workers that there is room for. */
const TRIO_PORTS = 4;
const TRIO_COUNT = 240;

/** Test files that run side by side never take the same port: each of so many workers has every so many-th. */
const WORKERS_MAX = 4;
const WORKER = Number(process.env['VITEST_POOL_ID'] ?? 1) % WORKERS_MAX;

const random = createSystemRandom();
const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on, never given twice by this process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = PORT_MIN + WORKERS_MAX * randomBelow(random, PORT_COUNT / WORKERS_MAX) + WORKER;
    if (given.has(port)) continue;
    // Before the check: two callers at once must not both get it.
    given.add(port);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port found in ${ATTEMPTS} attempts`);
}

/** The first of three such ports in a row, of a range of their own. */
export async function freePortOfThree(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const first =
      TRIO_PORT_MIN + WORKERS_MAX * TRIO_PORTS * randomBelow(random, TRIO_COUNT) + TRIO_PORTS * WORKER;
    if (given.has(first)) continue;
    given.add(first);
    const areFree = await Promise.all([first, first + 1, first + 2].map(canListen));
    if (!areFree.includes(false)) return first;
  }
  throw new Error(`no three free ports found in ${ATTEMPTS} attempts`);
}

async function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
