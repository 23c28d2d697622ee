// What every node says of itself, put beside what the API says it should be.

import { setTimeout as sleep } from 'node:timers/promises';

import { askAll, fieldsOf } from '../../../test/support/node-commands.ts';
import { type ClusterSeen, membersOf, type NodeSeen, type ShardSeen } from './fleet-seen.ts';
import type { OperatorApi } from './operator-api.ts';
import { describeTask, hasEnded } from './task-seen.ts';

/** Generous: a replication thread sleeps 10 s, perhaps twice, and the machine may have other work to do. */
export const SETTLE_DEADLINE_MS = 90_000;
const LOOK_MS = 150;
/** A decision that is already made shows within this time: longer than a round of probes. */
const STEADY_MS = 800;

/** The cluster that everything has settled to, or what is wrong with the last state seen. */
export type Settled =
  | { readonly kind: 'settled'; readonly cluster: ClusterSeen }
  | { readonly kind: 'unsettled'; readonly complaints: readonly string[] };

interface Look {
  readonly id: string;
  readonly version: string;
  readonly master: string | null;
  readonly linkUp: boolean;
  readonly sequence: number;
}

/** Waits until every node has the API's version, its id and its role, links are up, every task has ended and nothing migrates, for a while. */
export async function untilConverged(api: OperatorApi, signal: AbortSignal): Promise<Settled> {
  return untilQuiet(api, { steadyMs: STEADY_MS, equalSequences: false, signal });
}

/** Waits until, besides, every replica is at its master's sequence. Nobody may write meanwhile. */
export async function untilEqual(api: OperatorApi, signal: AbortSignal): Promise<Settled> {
  return untilQuiet(api, { steadyMs: 0, equalSequences: true, signal });
}

async function untilQuiet(
  api: OperatorApi,
  wanted: { readonly steadyMs: number; readonly equalSequences: boolean; readonly signal: AbortSignal },
): Promise<Settled> {
  const endMs = performance.now() + SETTLE_DEADLINE_MS;
  let version: number | null = null;
  let sinceMs = 0;
  for (;;) {
    const cluster = await api.cluster();
    const complaints =
      cluster === null
        ? ['no controller shows the cluster']
        : [...(await openTasks(api)), ...(await complaintsOf(cluster, wanted.equalSequences))];
    const nowMs = performance.now();
    if (complaints.length > 0 || version !== cluster?.version) sinceMs = nowMs;
    version = complaints.length > 0 ? null : (cluster?.version ?? null);
    const isSteady = version !== null && nowMs - sinceMs >= wanted.steadyMs;
    if (cluster !== null && isSteady) return { kind: 'settled', cluster };
    if (nowMs > endMs || wanted.signal.aborted) return { kind: 'unsettled', complaints };
    await sleep(LOOK_MS);
  }
}

/** Between two jobs of a task nothing migrates. */
async function openTasks(api: OperatorApi): Promise<readonly string[]> {
  const tasks = await api.tasks();
  if (tasks === null) return ['no controller shows the migrations'];
  return tasks.filter((task) => !hasEnded(task)).map((task) => describeTask(task));
}

async function complaintsOf(cluster: ClusterSeen, equalSequences: boolean): Promise<readonly string[]> {
  const shards = await Promise.all(
    cluster.shards.map(async (shard) => complaintsOfShard(cluster, shard, equalSequences)),
  );
  return shards.flat();
}

async function complaintsOfShard(
  { version }: ClusterSeen,
  shard: ShardSeen,
  equalSequences: boolean,
): Promise<readonly string[]> {
  const complaints: string[] = [];
  if (shard.migrating !== null) complaints.push(`shard ${shard.index} migrates ${shard.migrating}`);
  const looks = await Promise.all(membersOf(shard).map(async ({ address }) => look(address)));
  const [master, ...replicas] = looks;
  for (const [index, node] of membersOf(shard).entries()) {
    const wanted = { version: String(version), master: index === 0 ? null : shard.master.address };
    complaints.push(...complaintsOfNode(node, looks[index] ?? null, wanted));
  }
  if (!equalSequences || complaints.length > 0) return complaints;
  for (const [index, replica] of replicas.entries()) {
    if (replica?.sequence === master?.sequence) continue;
    const { address } = shard.replicas[index] ?? { address: '' };
    complaints.push(`${address} is at sequence ${replica?.sequence}, its master at ${master?.sequence}`);
  }
  return complaints;
}

function complaintsOfNode(
  { id, address }: NodeSeen,
  seen: Look | null,
  wanted: { readonly version: string; readonly master: string | null },
): readonly string[] {
  if (seen === null) return [`${address} does not answer`];
  const complaints: string[] = [];
  if (seen.id !== id) complaints.push(`${address} has the id "${seen.id}"`);
  if (seen.version !== wanted.version)
    complaints.push(`${address} is at version ${seen.version} of ${wanted.version}`);
  if (seen.master !== wanted.master)
    complaints.push(`${address} follows ${seen.master ?? 'nobody'} and not ${wanted.master ?? 'nobody'}`);
  else if (!seen.linkUp) complaints.push(`the link of ${address} is down`);
  return complaints;
}

/** Null when the node does not answer, or cannot say because it is loading. */
async function look(address: string): Promise<Look | null> {
  try {
    const [id, version, info] = await askAll(address, [
      ['CLUSTERX', 'MYID'],
      ['CLUSTERX', 'VERSION'],
      ['INFO', 'replication'],
    ]);
    const fields = fieldsOf(String(info));
    const isSlave = fields.get('role') === 'slave';
    return {
      id: String(id),
      version: String(version),
      master: isSlave ? `${fields.get('master_host') ?? ''}:${fields.get('master_port') ?? ''}` : null,
      linkUp: !isSlave || fields.get('master_link_status') === 'up',
      sequence: Number(fields.get('master_repl_offset')),
    };
  } catch {
    return null;
  }
}
