// Measures what watching many nodes costs this process: CPU and memory while every node is probed at an interval.
// Usage: node scripts/bench-probe.ts [nodes=1000] [seconds=20] [intervalMs=1000]

import { fork } from 'node:child_process';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';

import { Secret } from '../src/base/secret.ts';
import { KvrocksClient } from '../src/kvrocks/client.ts';
import { systemClock } from '../src/system/clock.ts';
import { parseAddress } from '../src/topology/node.ts';
import type { NodeAddress } from '../src/topology/types.ts';

const DEADLINE_MS = 500;
const CRLF = '\r\n';

const CLUSTER_INFO = [
  'cluster_state:ok',
  'cluster_slots_assigned:16384',
  'cluster_slots_ok:16384',
  'cluster_slots_pfail:0',
  'cluster_slots_fail:0',
  'cluster_known_nodes:1000',
  'cluster_size:500',
  'cluster_current_epoch:7',
  'cluster_my_epoch:7',
  '',
].join(CRLF);

const REPLICATION = (sequence: number): string =>
  [
    '# Replication',
    'role:slave',
    'master_host:127.0.0.1',
    'master_port:16021',
    'master_link_status:up',
    'master_sync_unrecoverable_error:no',
    'master_sync_in_progress:0',
    'master_last_io_seconds_ago:0',
    `slave_repl_offset:${sequence}`,
    'slave_priority:100',
    'connected_slaves:0',
    `master_repl_offset:${sequence}`,
    '',
  ].join(CRLF);

function bulk(text: string): string {
  return `$${text.length}${CRLF}${text}${CRLF}`;
}

/** The child: one port a node, each answering whatever arrives with the three replies of a probe. */
async function serve(nodeCount: number): Promise<void> {
  let sequence = 0;
  const servers: Server[] = [];
  for (let count = 0; count < nodeCount; count += 1) {
    const server = createServer((socket) => {
      socket.on('data', () => {
        sequence += 1;
        socket.write(bulk(CLUSTER_INFO) + bulk('a'.repeat(40)) + bulk(REPLICATION(sequence)));
      });
      socket.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    servers.push(server);
  }
  process.send?.(servers.map((server) => (server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit(0));
}

async function startNodes(nodeCount: number): Promise<{ addresses: NodeAddress[]; stop: () => void }> {
  const child = fork(fileURLToPath(import.meta.url), ['--serve', String(nodeCount)]);
  const ports = await new Promise<number[]>((resolve) => {
    child.once('message', (message) => resolve(message as number[]));
  });
  const addresses = ports.flatMap((port) => {
    const address = parseAddress(`127.0.0.1:${port}`);
    return address.ok ? [address.value] : [];
  });
  return { addresses, stop: () => child.disconnect() };
}

async function measure(nodeCount: number, seconds: number, intervalMs: number): Promise<void> {
  const { addresses, stop } = await startNodes(nodeCount);
  const client = new KvrocksClient(systemClock);
  let answered = 0;
  let failed = 0;
  let isRunning = true;
  const look = async (address: NodeAddress): Promise<void> => {
    if (!isRunning) return;
    systemClock.setTimer(intervalMs, () => void look(address));
    const result = await client.probe({ address, password: Secret.none }, DEADLINE_MS);
    if (result.kind === 'answered') answered += 1;
    else failed += 1;
  };
  // Spread over the interval, as supervisors of many clusters are.
  for (const [index, address] of addresses.entries()) {
    systemClock.setTimer((Math.floor((index * 10) / nodeCount) * intervalMs) / 10, () => void look(address));
  }
  await new Promise((resolve) => setTimeout(resolve, 2 * intervalMs));
  answered = 0;
  failed = 0;
  const cpuBefore = process.cpuUsage();
  const startedAtMs = systemClock.monotonicMs();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const cpu = process.cpuUsage(cpuBefore);
  const elapsedMs = systemClock.monotonicMs() - startedAtMs;
  const cpuPercent = (cpu.user + cpu.system) / 10 / elapsedMs;
  isRunning = false;
  client.close();
  stop();
  console.log(
    `${nodeCount} nodes every ${intervalMs} ms: ${cpuPercent.toFixed(1)} % of a core ` +
      `(${Math.round((cpu.user + cpu.system) / Math.max(1, answered + failed))} us a probe), ` +
      `${answered} answered, ${failed} failed, ${Math.round(process.memoryUsage.rss() / 1e6)} MB`,
  );
}

const [first, second, third] = process.argv.slice(2);
if (first === '--serve') await serve(Number(second));
else await measure(Number(first ?? 1000), Number(second ?? 20), Number(third ?? 1000));
