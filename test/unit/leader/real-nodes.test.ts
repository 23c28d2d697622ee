// The leader and the Kvrocks client together against node processes (KVROCKS_BIN, else the simulator).

import { afterEach, describe, expect, it } from 'vitest';

import type { Logger } from '../../../src/base/logger.ts';
import { Secret } from '../../../src/base/secret.ts';
import { KvrocksClient } from '../../../src/kvrocks/client.ts';
import { Leadership } from '../../../src/leader/leadership.ts';
import { NameResolver } from '../../../src/names/name-resolver.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { createSystemRandom } from '../../../src/system/random.ts';
import { startMigration } from '../../../src/topology/change-slots.ts';
import { parseAddress } from '../../../src/topology/node.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import { createCluster } from '../../../src/topology/create-cluster.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import { type KvrocksNode, startKvrocksNode } from '../../support/kvrocks-node.ts';
import { NO_METRICS } from '../../support/no-metrics.ts';
import { notYet, waitUntil } from '../../support/wait-until.ts';
import { ModelWitnesses } from './model-witnesses.ts';
import { ModelRecords } from './model-records.ts';
import { nameOf } from './scene.ts';

const NAMESPACE = nameOf('ns');
const NAME = nameOf('c');
const PASSWORD = 'sesame';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

let nodes: KvrocksNode[] = [];
let leadership: Leadership | null = null;

afterEach(async () => {
  await leadership?.stop();
  await Promise.all(nodes.map((node) => node.dispose()));
  nodes = [];
});

async function start(shards: number, replicas: number): Promise<ModelRecords> {
  nodes = await Promise.all(
    Array.from({ length: shards * replicas }, () => startKvrocksNode({ password: PASSWORD })),
  );
  const records = new ModelRecords(systemClock);
  const random = createSystemRandom();
  const addresses = nodes.map((node) => {
    const address = parseAddress(node.address);
    if (!address.ok) throw new Error(node.address);
    return address.value;
  });
  const cluster = createCluster({
    name: NAME,
    addresses,
    replicas,
    password: new Secret(PASSWORD),
    nowSeconds: 1,
    random,
  });
  if (!cluster.ok) throw new Error(JSON.stringify(cluster.error));
  records.put(NAMESPACE, cluster.value);
  leadership = new Leadership(
    1,
    {
      records,
      client: new KvrocksClient({ clock: systemClock, names: new NameResolver({ clock: systemClock }) }),
      witnesses: new ModelWitnesses(),
      clock: systemClock,
      random,
      logger: silent,
      metrics: NO_METRICS,
      isCurrent: () => true,
      giveLead: () => Promise.resolve(),
    },
    {
      pingIntervalMs: 200,
      maxPingCount: 3,
      restartGraceMs: 800,
      lagMax: 10_000,
      switchoverTimeoutMs: 2000,
      coolDownMs: 0,
      aliveSizeMin: 10,
      failureRatioMax: 0.6,
      leaseMs: 0,
    },
  );
  leadership.start();
  await until('the cluster has converged', () => leadership?.status(NAMESPACE, NAME)?.isConverged === true);
  await until('every replica has a link', () =>
    (leadership?.status(NAMESPACE, NAME)?.nodes ?? []).every(
      ({ wantedRole, seen }) => seen?.role === wantedRole && seen.linkFault === null,
    ),
  );
  // The word of a replica counts as from before a failure once its master has answered after it: two more looks at all.
  await lookedAgain();
  await lookedAgain();
  return records;
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitUntil(what, async () => (await condition()) || notYet(leadership?.status(NAMESPACE, NAME)));
}

/** Resolves when every node has answered a look that began after the call. */
async function lookedAgain(): Promise<void> {
  const sinceMs = systemClock.monotonicMs();
  await until('every node was looked at again', () =>
    (leadership?.status(NAMESPACE, NAME)?.nodes ?? []).every(
      (node) => node.seen !== null && node.seen.ageMs < systemClock.monotonicMs() - sinceMs,
    ),
  );
}

function clusterOf(records: ModelRecords): Cluster {
  const record = records.getCluster(NAMESPACE, NAME);
  if (record === null) throw new Error('no cluster');
  return record.cluster;
}

function nodeAt(address: string): KvrocksNode {
  const node = nodes.find((candidate) => candidate.address === address);
  if (node === undefined) throw new Error(address);
  return node;
}

/** A key of slot 3300, in the first half of the slots. */
const KEY = 'b';

describe('real nodes', () => {
  it('a killed master is replaced by its replica, and rejoins as a replica', async () => {
    const records = await start(2, 2);
    const [master, replica] = clusterOf(records).shards[0]!.nodes;
    expect(await nodeAt(master!.address).command('SET', KEY, '1')).toBe('OK');
    await nodeAt(master!.address).kill();
    await until('the replica serves writes', async () => {
      const reply = await nodeAt(replica!.address).raw('SET', KEY, '2');
      return reply.startsWith('+OK');
    });
    await nodeAt(master!.address).restart();
    await until('the old master follows', async () => {
      const info = await nodeAt(master!.address).raw('INFO', 'replication');
      return info.includes('role:slave');
    });
    await until('the cluster has converged', () => leadership?.status(NAMESPACE, NAME)?.isConverged === true);
  }, 60_000);

  it('a migration moves its slots, and both ends know', async () => {
    const records = await start(2, 1);
    const [source, target] = clusterOf(records).shards;
    await nodeAt(source!.nodes[0]!.address).command('SET', KEY, '1');
    const planned = startMigration(clusterOf(records), {
      targetIndex: 1,
      range: slotRange(3300, 3300),
      nowSeconds: 1,
    });
    if (!planned.ok) throw new Error(JSON.stringify(planned.error));
    records.put(NAMESPACE, planned.value);
    await until('the move is recorded', () => clusterOf(records).version === 2);
    await until('the cluster has converged', () => leadership?.status(NAMESPACE, NAME)?.isConverged === true);
    expect(await nodeAt(target!.nodes[0]!.address).command('GET', KEY)).toBe('1');
    expect(await nodeAt(source!.nodes[0]!.address).raw('GET', KEY)).toContain('MOVED');
  }, 60_000);

  it('a failover by hand is done when it is answered', async () => {
    const records = await start(1, 2);
    const replica = clusterOf(records).shards[0]!.nodes[1]!;
    const request = {
      namespace: NAMESPACE,
      cluster: NAME,
      shardIndex: 0,
      preferred: replica.id,
      isForced: false,
    };
    expect(await leadership!.failover(request)).toEqual({
      ok: true,
      value: { newMaster: replica.id, warning: null },
    });
    expect(await nodeAt(replica.address).command('SET', KEY, '1')).toBe('OK');
  }, 60_000);
});
