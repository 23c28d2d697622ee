// Does one action of the plan to the processes and through the API, and notes what may be lost by it.

import { GroupView } from '../group-view.ts';
import type { Group } from '../group.ts';
import type { SlotRange } from './fleet-seen.ts';
import type { Fleet } from './fleet.ts';
import type { OperatorApi, Told } from './operator-api.ts';
import type { Action } from './plan.ts';
import { type Excuse, excuseAfterReturn, excuseBefore } from './verdicts.ts';

/** Generous, for a machine with other work to do: detection takes 4 s, a promotion up to 10 s. */
const FAILOVER_DEADLINE_MS = 60_000;
const MIGRATION_DEADLINE_MS = 120_000;
const READY_DEADLINE_MS = 120_000;
/** Long enough for a failover that must not be: the only replica is behind. */
const REFUSED_FAILOVER_MS = 6000;
const POLL_MS = 50;
const DEFAULT_SPEED = '4096';

export interface Surroundings {
  readonly group: Group;
  readonly fleet: Fleet;
  readonly api: OperatorApi;
  /** Nodes that run and belong to no shard any more. */
  readonly spares: Set<string>;
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** Ends every wait. */
  readonly signal: AbortSignal;
  readonly excuse: (excuse: Excuse) => void;
  /** Into the timeline. */
  readonly note: (text: string) => void;
}

/** Resolves when the action itself is over: null, or why the cluster cannot settle any more. */
export async function act(action: Action, around: Surroundings): Promise<string | null> {
  switch (action.kind) {
    case 'kill-master':
    case 'wipe-master':
      return endMaster(action, around);
    case 'kill-replica':
    case 'wipe-replica':
      await around.fleet.at(action.address).kill();
      await around.wait(action.downMs);
      await startAgain(action.address, action.kind === 'wipe-replica', around);
      return null;
    case 'hang-master':
    case 'hang-replica':
      return hang(action, around);
    case 'failover':
      return failOver(action, null, around);
    case 'failover-preferred':
      return failOver(action, action.preferred.id, around);
    case 'migrate':
      return migrate(action, around);
    case 'move-replica':
      return moveReplica(action, around);
    case 'add-shard':
      return addShard(action.spare, around);
    case 'remove-shard':
      return removeShard(action, around);
    case 'cut':
      return cut(action, around);
    case 'leader-kill':
      return killLeader(action.downMs, around);
    case 'leader-transfer':
      tell('the lead is handed over', await around.api.transferLead(), around);
      return null;
    case 'outage':
      return outage(action, around);
  }
}

type EndOfMaster = Extract<Action, { readonly kind: 'kill-master' | 'wipe-master' }>;

async function endMaster(action: EndOfMaster, around: Surroundings): Promise<string | null> {
  const { kind, address, shard } = action;
  const isWiped = kind === 'wipe-master';
  await killMaster(address, isWiped ? 'wipe' : 'death', around);
  let trouble: string | null = null;
  if (action.awaitsFailover) trouble = await untilReplaced(shard, address, around);
  else await around.wait(action.downMs);
  await startAgain(address, isWiped, around);
  return trouble;
}

async function killMaster(address: string, kind: 'death' | 'wipe', around: Surroundings): Promise<void> {
  const fromMs = around.now();
  await around.fleet.at(address).kill();
  around.excuse(excuseBefore(kind, address, { fromMs, toMs: around.now() }));
  around.note(`${address} is dead`);
}

async function startAgain(address: string, isWiped: boolean, around: Surroundings): Promise<void> {
  const beforeMs = around.now();
  if (isWiped) await around.fleet.startOnNewDisk(address);
  else await around.fleet.at(address).restart();
  // It may have answered clients since the moment at which its process began.
  around.excuse({ ...excuseAfterReturn(address, around.now()), fromMs: beforeMs });
  around.note(`${address} runs again${isWiped ? ', on an empty disk' : ''}`);
}

/** Waits until another node is the shard's master; the complaint when nobody becomes it. */
async function untilReplaced(
  shard: number,
  address: string,
  { api, now, wait, note, signal }: Surroundings,
): Promise<string | null> {
  const endMs = now() + FAILOVER_DEADLINE_MS;
  while (now() < endMs && !signal.aborted) {
    const cluster = await api.cluster();
    const master = cluster?.shards[shard]?.master.address;
    if (master !== undefined && master !== address) {
      note(`${master} is the master of shard ${shard}`);
      return null;
    }
    await wait(POLL_MS);
  }
  return `no replica of shard ${shard} became master within ${FAILOVER_DEADLINE_MS} ms of the death of ${address}`;
}

async function hang(
  action: Extract<Action, { readonly kind: 'hang-master' | 'hang-replica' }>,
  around: Surroundings,
): Promise<null> {
  const { address, hangMs } = action;
  const node = around.fleet.at(address);
  const fromMs = around.now();
  node.pause();
  if (action.kind === 'hang-master')
    around.excuse(excuseBefore('hang', address, { fromMs, toMs: around.now() }));
  await around.wait(hangMs);
  node.resume();
  around.excuse(excuseAfterReturn(address, around.now()));
  around.note(`${address} goes on`);
  return null;
}

async function failOver(
  { shard, address }: { readonly shard: number; readonly address: string },
  preferred: string | null,
  around: Surroundings,
): Promise<null> {
  const fromMs = around.now();
  const told = await around.api.failover(shard, preferred);
  // Also where the outcome is unknown; a refusal deposes nobody and excuses nothing.
  if (!told.isRefused) around.excuse(excuseBefore('failover', address, { fromMs, toMs: around.now() }));
  tell(`failover of shard ${shard} by hand`, told, around);
  return null;
}

async function migrate(
  action: Extract<Action, { readonly kind: 'migrate' }>,
  around: Surroundings,
): Promise<string | null> {
  const source = around.fleet.at(action.source);
  if (action.keysPerSecond !== null)
    await source.command('CONFIG', 'SET', 'migrate-speed', String(action.keysPerSecond));
  const trouble = await moveRange(action.range, action, around);
  if (action.keysPerSecond !== null) await source.command('CONFIG', 'SET', 'migrate-speed', DEFAULT_SPEED);
  return trouble;
}

/** Asks for the move and waits for its end, whatever that is. */
async function moveRange(
  range: SlotRange,
  { from, to }: { readonly from: number; readonly to: number },
  around: Surroundings,
): Promise<string | null> {
  const { api, now, wait, note, signal } = around;
  const told = await api.migrate(range, to);
  tell(`migration of ${range.start}-${range.stop}`, told, around);
  const endMs = now() + MIGRATION_DEADLINE_MS;
  while (told.ok && now() < endMs && !signal.aborted) {
    const cluster = await api.cluster();
    if (cluster !== null && cluster.shards.every(({ migrating }) => migrating === null)) {
      const shard = cluster.shards[to];
      const hasArrived = shard?.ranges.some(({ start, stop }) => start <= range.start && range.stop <= stop);
      note(
        `the migration ended: the slots are ${hasArrived === true ? 'at the target' : 'not at the target'}`,
      );
      return null;
    }
    await wait(POLL_MS);
  }
  return told.ok ? `the migration from shard ${from} to ${to} does not end` : null;
}

async function moveReplica(
  { from, to, replica }: Extract<Action, { readonly kind: 'move-replica' }>,
  around: Surroundings,
): Promise<string | null> {
  const removed = await around.api.removeNode(from, replica.id);
  tell(`removal of ${replica.address} from shard ${from}`, removed, around);
  if (!removed.ok) return null;
  return join(replica.address, async () => around.api.addReplica(to, replica.address), around);
}

async function addShard(spare: string | null, around: Surroundings): Promise<string | null> {
  const address = spare ?? (await around.fleet.start());
  around.spares.delete(address);
  return join(address, async () => around.api.addShard([address]), around);
}

/** Adds a node as it is; refused, it is started on a new data directory, which the refusal names as a remedy. */
async function join(address: string, add: () => Promise<Told>, around: Surroundings): Promise<string | null> {
  const first = await add();
  tell(`${address} joins`, first, around);
  if (!first.isRefused) return null;
  await around.fleet.startOnNewDisk(address);
  const second = await add();
  tell(`${address} joins on a new data directory`, second, around);
  if (!second.ok) around.spares.add(address);
  return second.ok ? null : `${address} is refused on a new data directory, too: ${second.words}`;
}

async function removeShard(
  { shard, to, ranges, addresses }: Extract<Action, { readonly kind: 'remove-shard' }>,
  around: Surroundings,
): Promise<string | null> {
  for (const range of ranges) {
    const trouble = await moveRange(range, { from: shard, to }, around);
    if (trouble !== null) return trouble;
  }
  const removed = await around.api.removeShard(shard);
  tell(`removal of shard ${shard}`, removed, around);
  if (removed.ok) for (const address of addresses) around.spares.add(address);
  return null;
}

async function cut(
  action: Extract<Action, { readonly kind: 'cut' }>,
  around: Surroundings,
): Promise<string | null> {
  const { shard, master, replica, cutMs } = action;
  await around.fleet.setCut(replica.address, true);
  await around.wait(cutMs);
  if (action.ending === 'failover') await failOver({ shard, address: master }, replica.id, around);
  if (action.ending === 'kill-master') {
    await killMaster(master, 'death', around);
    await around.wait(REFUSED_FAILOVER_MS);
    await startAgain(master, false, around);
  }
  await around.fleet.setCut(replica.address, false);
  around.note(`${replica.address} hears its master again`);
  return null;
}

async function killLeader(downMs: number, around: Surroundings): Promise<string | null> {
  const view = new GroupView(around.group);
  try {
    const { id } = await view.leader();
    const leader = around.group.members.find((member) => member.id === id);
    if (leader === undefined) return 'no controller leads';
    await leader.kill();
    around.note(`controller ${leader.id}, which led, is dead`);
    await around.wait(downMs);
    leader.start();
    return await untilReady(view);
  } finally {
    await view.close();
  }
}

/** Nobody watches while the master dies; it stays away until it is replaced. */
async function outage(
  { shard, address, downMs }: Extract<Action, { readonly kind: 'outage' }>,
  around: Surroundings,
): Promise<string | null> {
  const view = new GroupView(around.group);
  try {
    await Promise.all(around.group.members.map(async (member) => member.kill()));
    await around.wait(downMs / 2);
    await killMaster(address, 'death', around);
    await around.wait(downMs / 2);
    around.group.start();
    around.note('all controllers run again');
    const trouble = (await untilReady(view)) ?? (await untilReplaced(shard, address, around));
    await startAgain(address, false, around);
    return trouble;
  } finally {
    await view.close();
  }
}

async function untilReady(view: GroupView): Promise<string | null> {
  return (await view.ready(READY_DEADLINE_MS)) ? null : 'the controllers do not all serve again';
}

function tell(what: string, { words }: Told, { note }: Surroundings): void {
  note(`${what}: ${words.slice(0, 300)}`);
}
