// `npm run demo`: three controllers and Kvrocks nodes; a master is killed, a slot is moved, the cluster grows and shrinks, every claim is checked.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Command } from 'commander';

import { slotOfKey } from '../test/kvrocks-simulator/slots.ts';
import { ApiClient } from '../test/support/api-client.ts';
import { freePort } from '../test/support/free-port.ts';
import { fillSlot, limitSpeed } from '../test/support/migrations.ts';
import { fieldsOf } from '../test/support/node-commands.ts';
import { type ClusterView, masterOf, replicasOf, Scene } from '../test/support/scene.ts';
import { SteadyWriter } from '../test/support/steady-writer.ts';
import { InVainError, waitFor, waitUntil, notYet } from '../test/support/wait-until.ts';
import { LocalTrio, type TrioEvent } from './lib/local-trio.ts';
import { formatMs, Narrator } from './lib/narrator.ts';

const FAILOVER = { pingIntervalSeconds: 0.5, maxPingCount: 3 };
const KEY_COUNT = 300;
const SLOT_KEY_COUNT = 200;
/** Keys a second, so that the migration can be watched. */
const MIGRATE_SPEED = 64;
/** Slots of one job. */
const BATCH = 512;
const CLUSTER = 'shop';

new Command('npm run demo')
  .description(
    'Shows a failover, a slot migration and a cluster that grows and shrinks, with three controllers and ten simulated Kvrocks nodes, in a temporary folder.\n' +
      'KVROCKS_BIN=/path/to/kvrocks uses real servers instead.',
  )
  .allowExcessArguments(false)
  .parse();

const tell = new Narrator();
process.exitCode = await demo();

/** 0 only when every step was verified. */
async function demo(): Promise<0 | 1> {
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-demo-'));
  const cleanups: (() => Promise<void>)[] = [];
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
  });
  try {
    await Promise.race([story(folder, cleanups), interrupted]);
    return 0;
  } catch (error) {
    process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup().catch(() => undefined);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function story(folder: string, cleanups: (() => Promise<void>)[]): Promise<void> {
  const scene = await startEverything(folder, cleanups);
  const view = await createCluster(scene);
  const keys = await writeKeys(scene, view);
  await failover(scene, view, keys);
  await migration(scene, keys);
  const fresh = await growth(scene);
  await shrinking(scene, keys, fresh);
  tell.step(
    `Done in ${tell.elapsedSeconds.toFixed(0)} s: ${tell.verifiedCount} statements verified, all processes are stopped now.`,
  );
}

async function startEverything(folder: string, cleanups: (() => Promise<void>)[]): Promise<Scene> {
  tell.step('1. Three controllers agree on a leader');
  let leaderKnown: (url: string) => void = () => undefined;
  const leader = new Promise<string>((resolve) => {
    leaderKnown = resolve;
  });
  const onEvent = (event: TrioEvent): void => {
    if (event.kind !== 'leaderChanged') return;
    tell.say(`controller ${event.id} leads in term ${event.term}: ${event.url}`);
    leaderKnown(event.url);
  };
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const trio = await LocalTrio.start({ ports, folder, failover: FAILOVER, onEvent });
  cleanups.push(() => trio.stop());
  for (const url of trio.urls) tell.say(`a controller answers at ${url}`);
  const leaderUrl = await leader;
  const follower = trio.urls.find((url) => url !== leaderUrl) ?? '';
  const api = new ApiClient(() => [follower]);
  cleanups.push(() => api.close());
  await waitFor('a follower that knows its leader', async () => {
    const asked = await api.sendTo(follower, 'GET', '/api/v1/namespaces', { followRedirects: false });
    return asked.status === 307;
  });
  tell.verify(true, `${follower} follows: it redirects clients to the leader, and we keep asking it`);
  const scene = new Scene(api);
  cleanups.push(() => scene.end());
  return scene;
}

async function createCluster(scene: Scene): Promise<ClusterView> {
  const isReal = (process.env['KVROCKS_BIN'] ?? '') !== '';
  tell.step(`2. Six ${isReal ? 'Kvrocks' : 'simulated Kvrocks'} nodes become a cluster of three shards`);
  const nodes = await scene.nodes(6);
  const startMs = performance.now();
  const view = await scene.cluster(CLUSTER, nodes, { replicas: 2 });
  tell.verify(
    true,
    `POST .../clusters: all six nodes report version ${view.version}, their id and role after ${formatMs(performance.now() - startMs)}`,
  );
  for (const [index, shard] of view.shards.entries()) {
    const replicas = replicasOf(shard).map((node) => node.addr);
    tell.say(
      `shard ${index}: slots ${shard.slot_ranges?.join(' ') ?? ''}, master ${masterOf(shard).addr}, replica ${replicas.join(' ')}`,
    );
  }
  return view;
}

async function writeKeys(scene: Scene, view: ClusterView): Promise<readonly string[]> {
  const keys = Array.from({ length: KEY_COUNT }, (_, index) => `order:${index}`);
  const entry = masterOf(shardAt(view, 0)).addr;
  for (const key of keys) await scene.askCluster(entry, 'SET', key, key);
  for (const shard of view.shards)
    for (const replica of replicasOf(shard)) await scene.inSync(masterOf(shard).addr, replica.addr);
  tell.verify(
    await allReadable(scene, entry, keys),
    `${KEY_COUNT} keys written through the cluster and read back`,
  );
  return keys;
}

async function failover(scene: Scene, view: ClusterView, keys: readonly string[]): Promise<void> {
  tell.step('3. A master dies');
  const shard = shardAt(view, 1);
  const [master, replica] = [masterOf(shard), replicasOf(shard)[0]];
  if (replica === undefined) throw new Error('a shard without a replica');
  const key = keys.find((candidate) => isIn(shard.slot_ranges, slotOfKey(candidate))) ?? '';
  const windowMs = FAILOVER.pingIntervalSeconds * FAILOVER.maxPingCount * 1000;
  tell.say(
    `kill -9 of ${master.addr}, master of shard 1 (its process is gone, by the word of all three: it has 0.8 s to be back)`,
  );
  await scene.nodeAt(master.addr).kill();
  const killedMs = performance.now();
  const decided = scene
    .viewWhere(CLUSTER, 'a new master', (now) => masterOf(shardAt(now, 1)).id !== master.id)
    .then((now) => ({ now, ms: performance.now() - killedMs }));
  const served = scene.untilWritable(replica.addr, key, key).then(() => performance.now() - killedMs);
  const { now, ms } = await decided;
  tell.verify(
    masterOf(shardAt(now, 1)).id === replica.id && now.version === view.version + 1,
    `decided and committed ${formatMs(ms)} after the kill: ${replica.addr} is master, version ${now.version}`,
  );
  const servedMs = await served;
  tell.verify(
    true,
    `writes are served again ${formatMs(servedMs)} after the kill (a hang would have taken the window, ${formatMs(windowMs)})`,
  );
  tell.verify(await allReadable(scene, replica.addr, keys), `all ${KEY_COUNT} keys are there`);
  const restartedMs = performance.now();
  await scene.nodeAt(master.addr).restart();
  await scene.converged(CLUSTER);
  const state = await scene.state(master.addr);
  tell.verify(
    state.role === 'slave' && state.master === replica.addr,
    `started again, ${master.addr} follows ${replica.addr} as its replica after ${formatMs(performance.now() - restartedMs)}`,
  );
}

async function migration(scene: Scene, keys: readonly string[]): Promise<void> {
  tell.step('4. A slot moves to another shard with its data');
  const before = await scene.view(CLUSTER);
  const [source, target] = [masterOf(shardAt(before, 0)).addr, masterOf(shardAt(before, 2)).addr];
  const slot = 1000;
  const moving = await fillSlot(scene, source, { slot, count: SLOT_KEY_COUNT });
  await limitSpeed(scene, source, MIGRATE_SPEED);
  const startMs = performance.now();
  const answer = await scene.api.post(scene.path(CLUSTER, '/migrate'), { target: 2, slot });
  tell.verify(
    answer.status === 200,
    `POST .../migrate accepted: slot ${slot} with ${moving.length} keys from ${source} to ${target}, slowed down to ${MIGRATE_SPEED} keys/s`,
  );
  let told = '';
  await waitUntil('the end of the migration', async () => {
    const fields = fieldsOf(String(await scene.ask(source, 'CLUSTER', 'INFO')));
    const { migration: task } = (await scene.api.get(scene.path(CLUSTER, '/migrations/1'))).body.data;
    const state = `the source says ${fields.get('migrating_state') ?? 'nothing yet'}, GET .../migrations/1 shows ${task.state}`;
    if (state !== told) tell.say(state);
    told = state;
    return task.ended_at === null ? notYet(state) : task;
  });
  const after = await scene.view(CLUSTER);
  tell.verify(
    isIn(shardAt(after, 2).slot_ranges, slot) && after.version === before.version + 1,
    `recorded in version ${after.version} after ${formatMs(performance.now() - startMs)}: shard 2 owns slot ${slot}`,
  );
  await scene.converged(CLUSTER);
  await waitFor('the keys at the target', async () => {
    const values = await scene.askAll(
      target,
      moving.map((key) => ['GET', key] as const),
    );
    return values.every((value, index) => value === moving[index]);
  });
  tell.verify(true, `${target} itself answers all ${moving.length} keys`);
  const refusal = await scene.ask(source, 'GET', moving[0] ?? '').catch((error: unknown) => String(error));
  tell.verify(
    String(refusal).includes(`MOVED ${slot} ${target}`),
    `${source} answers MOVED ${slot} ${target}`,
  );
  tell.verify(await allReadable(scene, source, keys), `all ${KEY_COUNT} keys of before are there, too`);
}

async function growth(scene: Scene): Promise<readonly string[]> {
  tell.step('5. Two shards more, by one request');
  const fresh = (await scene.nodes(4)).map(({ address }) => address);
  const body = { nodes: fresh, replicas: 2, batch: BATCH };
  const before = await scene.view(CLUSTER);
  const plan = await scene.api.post(scene.path(CLUSTER, '/scale-out'), { ...body, dry_run: true });
  const { slots_moved: planned, shards } = plan.body.data.plan;
  tell.verify(
    plan.status === 200 && (await scene.view(CLUSTER)).version === before.version,
    `POST .../scale-out with "dry_run" changes nothing and says: ${planned} slots would move, shards would have ${shards.map(({ after }: { after: number }) => after).join(', ')}`,
  );
  const writer = clientsOf(scene, before);
  await writer.progress(100);
  const startMs = performance.now();
  const answer = await scene.api.post(scene.path(CLUSTER, '/scale-out'), body);
  tell.verify(
    answer.status === 200 && answer.body.data.migration.slots.total === planned,
    `the same without it: migration ${answer.body.data.migration.id} moves them, ${BATCH} at a time`,
  );
  const seconds = await succeeded(scene, answer.body.data.migration.id, startMs);
  const after = await scene.converged(CLUSTER);
  const counts = after.shards.map(({ slot_ranges: ranges }) => countOf(ranges));
  tell.verify(
    after.shards.length === 5 && Math.max(...counts) - Math.min(...counts) <= 1,
    `five shards with ${counts.join(', ')} slots after ${seconds}, all 16384 owned by one shard each whenever we looked`,
  );
  await verifyKept(writer, 'grown');
  return fresh;
}

async function shrinking(scene: Scene, keys: readonly string[], fresh: readonly string[]): Promise<void> {
  tell.step('6. And back to three');
  const writer = clientsOf(scene, await scene.view(CLUSTER));
  await writer.progress(100);
  const startMs = performance.now();
  const answer = await scene.api.post(scene.path(CLUSTER, '/scale-in'), { shards: [3, 4], batch: BATCH });
  tell.verify(
    answer.status === 200,
    `POST .../scale-in accepted: shards 3 and 4 give away ${answer.body.data.migration?.slots.total} slots, then they are removed`,
  );
  const seconds = await succeeded(scene, answer.body.data.migration.id, startMs);
  const after = await scene.viewWhere(CLUSTER, 'three shards', (view) => view.shards.length === 3);
  const counts = after.shards.map(({ slot_ranges: ranges }) => countOf(ranges));
  tell.verify(
    counts.every((count) => count >= 5461),
    `three shards with ${counts.join(', ')} slots, the last one moved after ${seconds}`,
  );
  await verifyKept(writer, 'shrunk');
  await scene.converged(CLUSTER, fresh);
  tell.verify(
    await allReadable(scene, masterOf(shardAt(after, 0)).addr, keys),
    `all ${KEY_COUNT} keys of the beginning are there, too`,
  );
  const { check } = (await scene.api.get(scene.path(CLUSTER, '/check'))).body.data;
  tell.verify(
    check.is_clean,
    `GET .../check: all ${check.nodes_answered} nodes say the same as the controllers`,
  );
}

/** Until the migration has succeeded, in words how long that took. Whenever the cluster is looked at, every slot has one owner. */
async function succeeded(scene: Scene, id: number, startMs: number): Promise<string> {
  let told = 0;
  await waitUntil(`migration ${id} to succeed`, async () => {
    const counts = (await scene.view(CLUSTER)).shards.map(({ slot_ranges: ranges }) => countOf(ranges));
    const covered = counts.reduce((sum, count) => sum + count, 0);
    if (covered !== 16_384) throw new InVainError(`${covered} slots are owned: ${counts.join(', ')}`);
    const { migration: task } = (await scene.api.get(scene.path(CLUSTER, `/migrations/${id}`))).body.data;
    if (task.ended_at !== null && task.state !== 'succeeded') throw new InVainError(JSON.stringify(task));
    if (task.percent >= told + 25 && task.state !== 'succeeded') {
      told = task.percent;
      tell.say(`${task.percent} % done, ${task.slots.left} slots left, shards have ${counts.join(', ')}`);
    }
    return task.state === 'succeeded' ? true : notYet(task.reason);
  });
  return formatMs(performance.now() - startMs);
}

/** Clients write all the time, to a slot that moves. */
function clientsOf(scene: Scene, { shards }: ClusterView): SteadyWriter {
  const [, last = ''] = (shardAt({ shards }, 1).slot_ranges?.at(-1) ?? '').split('-');
  return new SteadyWriter(
    scene,
    shards.map((shard) => masterOf(shard).addr),
    Number(last),
  );
}

async function verifyKept(writer: SteadyWriter, what: string): Promise<void> {
  await writer.progress(100);
  await writer.stop();
  await writer.expectKept();
  tell.verify(
    true,
    `clients wrote ${writer.count} times while it was ${what}: not one acknowledged write is missing`,
  );
}

function countOf(ranges: readonly string[] | null): number {
  return (ranges ?? []).reduce((sum, range) => {
    const [start = 0, stop = start] = range.split('-').map(Number);
    return sum + stop - start + 1;
  }, 0);
}

async function allReadable(scene: Scene, entry: string, keys: readonly string[]): Promise<boolean> {
  for (const key of keys) if ((await scene.askCluster(entry, 'GET', key)) !== key) return false;
  return true;
}

function shardAt(view: Pick<ClusterView, 'shards'>, index: number): ClusterView['shards'][number] {
  const shard = view.shards[index];
  if (shard === undefined) throw new Error(`no shard ${index}`);
  return shard;
}

function isIn(ranges: readonly string[] | null, slot: number): boolean {
  return (ranges ?? []).some((range) => {
    const [start = 0, stop = start] = range.split('-').map(Number);
    return start <= slot && slot <= stop;
  });
}
