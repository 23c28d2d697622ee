// Actions that end processes, nodes and controllers, and start them again.

import { err, ok, type Result } from '../../../src/base/result.ts';
import { GroupView } from '../group-view.ts';
import type { Action } from './plan.ts';
import { POLL_MS, type Surroundings } from './surroundings.ts';
import { excuseAfterReturn, excuseBefore } from './verdicts.ts';

/** What a process acknowledged before it ended or stopped may be read this much later. */
const ON_THE_WAY_MS = 250;
/** Generous, for a machine with other work to do: detection takes 4 s, a promotion up to 10 s. */
const FAILOVER_DEADLINE_MS = 60_000;
const READY_DEADLINE_MS = 120_000;

type ActionOf<Kind extends Action['kind']> = Extract<Action, { readonly kind: Kind }>;
type EndOfMaster = ActionOf<'kill-master' | 'wipe-master'>;

/** A master dies and comes back, at once or when it was replaced; on an empty disk when it was wiped. */
export async function endMaster(action: EndOfMaster, around: Surroundings): Promise<string | null> {
  const { kind, address, shard } = action;
  const isWiped = kind === 'wipe-master';
  await killMaster(address, isWiped ? 'wipe' : 'death', around);
  if (!action.awaitsFailover) await around.wait(action.downMs);
  const trouble = action.awaitsFailover ? troubleOf(await successorOf(shard, address, around)) : null;
  await startAgain(address, isWiped, around);
  return trouble;
}

/** A replica dies and comes back. */
export async function endReplica(
  { kind, address, downMs }: ActionOf<'kill-replica' | 'wipe-replica'>,
  around: Surroundings,
): Promise<null> {
  await around.fleet.at(address).kill();
  await around.wait(downMs);
  await startAgain(address, kind === 'wipe-replica', around);
  return null;
}

/** The replica that took over dies at once, perhaps before anybody saw it as a master; then both come back, the old master first. */
export async function killSuccessor(
  { shard, address, afterMs }: ActionOf<'kill-successor'>,
  around: Surroundings,
): Promise<string | null> {
  await killMaster(address, 'death', around);
  const successor = await successorOf(shard, address, around);
  if (successor.ok) {
    await around.wait(afterMs);
    await killMaster(successor.value, 'death', around);
  }
  await startAgain(address, false, around);
  if (successor.ok) await startAgain(successor.value, false, around);
  return troubleOf(successor);
}

/** Longer than controllers take to see an emptied master and to fence it. */
const FENCED_MS = 2_000;

/** Everything is dead at once; all come back, one master on an empty disk as the first or the last of them, or only when it was replaced. */
export async function cutPower(action: ActionOf<'power-cut'>, around: Surroundings): Promise<string | null> {
  const { shard, address, isWiped, isFirst, masters, replicas } = action;
  const view = new GroupView(around.group);
  const startOthers = async (): Promise<void> => {
    for (const each of [...masters, ...replicas]) if (each !== address) await startAgain(each, false, around);
  };
  try {
    await Promise.all([
      ...around.group.members.map(async (member) => member.kill()),
      ...masters.map(async (each) =>
        killMaster(each, each === address && isWiped ? 'wipe' : 'death', around),
      ),
      ...replicas.map(async (each) => around.fleet.at(each).kill()),
    ]);
    // A replica copies whatever answers as its master. While no controller runs nothing can keep it from an empty one.
    const isAlone = isWiped && isFirst;
    if (!isAlone) await startOthers();
    around.group.start();
    const unready = await untilReady(view);
    if (isWiped) await startAgain(address, true, around);
    if (isAlone) {
      await around.wait(FENCED_MS);
      await startOthers();
    }
    const trouble = unready ?? troubleOf(await successorOf(shard, address, around));
    if (!isWiped) await startAgain(address, false, around);
    return trouble;
  } finally {
    await view.close();
  }
}

/** SIGSTOP for a while: everything that queued up is executed afterwards. */
export async function hang(
  action: ActionOf<'hang-master' | 'hang-replica'>,
  around: Surroundings,
): Promise<null> {
  const { address, hangMs } = action;
  const node = around.fleet.at(address);
  const fromMs = around.now();
  node.pause();
  if (action.kind === 'hang-master')
    around.excuse(excuseBefore('hang', address, { fromMs, toMs: around.now() + ON_THE_WAY_MS }));
  await around.wait(hangMs);
  node.resume();
  around.excuse(excuseAfterReturn(address, around.now()));
  around.note(`${address} goes on`);
  return null;
}

/** The leading controller dies and comes back. */
export async function killLeader(downMs: number, around: Surroundings): Promise<string | null> {
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
export async function outage(
  { shard, address, downMs }: ActionOf<'outage'>,
  around: Surroundings,
): Promise<string | null> {
  const view = new GroupView(around.group);
  try {
    await Promise.all(around.group.members.map(async (member) => member.kill()));
    await around.wait(downMs / 2);
    await killMaster(address, 'death', around);
    await around.wait(downMs / 2);
    around.group.start();
    const trouble = (await untilReady(view)) ?? troubleOf(await successorOf(shard, address, around));
    await startAgain(address, false, around);
    return trouble;
  } finally {
    await view.close();
  }
}

/** SIGKILL, and what it excuses. */
export async function killMaster(
  address: string,
  kind: 'death' | 'wipe',
  around: Surroundings,
): Promise<void> {
  const fromMs = around.now();
  await around.fleet.at(address).kill();
  around.excuse(excuseBefore(kind, address, { fromMs, toMs: around.now() + ON_THE_WAY_MS }));
  around.note(`${address} is dead`);
}

/** With its data or on an empty disk, and what its return excuses. */
export async function startAgain(address: string, isWiped: boolean, around: Surroundings): Promise<void> {
  const beforeMs = around.now();
  if (isWiped) await around.fleet.startOnNewDisk(address);
  else await around.fleet.at(address).restart();
  // It may have answered clients since the moment at which its process began.
  around.excuse({ ...excuseAfterReturn(address, around.now()), fromMs: beforeMs });
  around.note(`${address} runs again${isWiped ? ', on an empty disk' : ''}`);
}

/** The node that is the shard's master instead of `address`, once there is one; the complaint when nobody becomes it. */
export async function successorOf(
  shard: number,
  address: string,
  { api, now, wait, note, signal }: Surroundings,
): Promise<Result<string, string>> {
  const endMs = now() + FAILOVER_DEADLINE_MS;
  while (now() < endMs && !signal.aborted) {
    const cluster = await api.cluster();
    const master = cluster?.shards[shard]?.master.address;
    if (master !== undefined && master !== address) {
      note(`${master} is the master of shard ${shard}`);
      return ok(master);
    }
    await wait(POLL_MS);
  }
  return err(
    `no replica of shard ${shard} became master within ${FAILOVER_DEADLINE_MS} ms of the death of ${address}`,
  );
}

function troubleOf(successor: Result<string, string>): string | null {
  return successor.ok ? null : successor.error;
}

async function untilReady(view: GroupView): Promise<string | null> {
  const isReady = await view.ready(READY_DEADLINE_MS);
  return isReady ? null : 'the controllers do not all serve again';
}
