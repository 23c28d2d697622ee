// Name servers that do not answer, for one name or for all: controllers and nodes that are known by name live on.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { expectContent, expectEqualCopies, successorOf, write } from '../support/copies.ts';
import { type NameServices, nameServicesMissing, startNameServices } from '../support/name-services.ts';
import { isToldGone, problemTold } from '../support/problems.ts';
import { masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { THIS_MACHINE } from '../support/test-names.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitFor, waitUntil } from '../support/wait-until.ts';

const missing = await nameServicesMissing();
const memberName = (id: number): string => `member-${id}.test`;
const MEMBER_NAMES = [1, 2, 3].map(memberName);
const NODE_NAMES = Array.from({ length: 7 }, (_, index) => `node-${index + 1}.test`);
/** Of a pool of four the system's own look-ups take two: a single dead name would hold both. */
const ENV = { UV_THREADPOOL_SIZE: '4' };

describe.runIf(missing === null)('when name servers do not answer', () => {
  let names: NameServices | null = null;
  let nodeCount = 0;
  beforeAll(async () => {
    names = await startNameServices([...MEMBER_NAMES, ...NODE_NAMES]);
  });
  afterAll(async () => {
    await names?.close();
  });

  function services(): NameServices {
    if (names === null) throw new Error('the name servers are not running yet');
    return names;
  }

  const trio = useTrio(() => ({ env: ENV, launcher: services().asking, nameOf: memberName }));
  const scene = useScenes(trio);

  /** Its nodes have names; they find each other without the name servers. */
  function namedScene(): Scene {
    return scene({
      place: () => {
        nodeCount += 1;
        const seat = { host: THIS_MACHINE, launcher: services().knowing };
        return { name: NODE_NAMES[nodeCount - 1] ?? '', seat };
      },
    });
  }

  async function filled(stage: Scene, cluster: string, count: number): Promise<Filled> {
    const view = await stage.cluster(cluster, await stage.nodes(count), { replicas: count });
    const [shard] = view.shards;
    if (shard === undefined) throw new Error('one shard');
    const [master, replicas] = [masterOf(shard).addr, replicasOf(shard).map(({ addr }) => addr)];
    const written = await write(stage, master, { slot: 1, count: 100, value: cluster });
    for (const replica of replicas) await stage.inSync(master, replica);
    return { stage, cluster, master, replicas, written };
  }

  /** The master dies; a replica takes over with everything, and all other nodes are told. */
  async function failsOver(
    { stage, cluster, master, written }: Filled,
    away: readonly string[] = [],
  ): Promise<void> {
    await stage.nodeAt(master).kill();
    const successor = await successorOf(stage, cluster, { address: master });
    await stage.untilWritable(successor, 'after', 'the failover');
    await expectContent(stage, successor, written);
    await stage.converged(cluster, [master, ...away]);
  }

  /** A member that starts while it can look nothing up: it serves, and leads or elects another when the leader dies. */
  async function startsAgain(): Promise<void> {
    const [follower] = await trio().followers();
    await follower?.kill();
    follower?.start();
    await trio().ready();
    const leader = await trio().leader();
    await leader.kill();
    await trio().leader();
    leader.start();
    await trio().ready();
  }

  /** The followers forget what they knew and, though they talk to the leader alone, know all these names again. */
  async function followersLearn(all: readonly string[]): Promise<void> {
    for (const follower of await trio().followers()) {
      await follower.kill();
      const file = join(follower.dataDir, 'known-names');
      rmSync(file, { force: true });
      follower.start();
      await trio().ready();
      await waitUntil('the follower to know all names', () => {
        const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
        return Promise.resolve(all.every((name) => text.includes(` ${name}\n`)) ? true : notYet(text));
      });
    }
  }

  test('KD1: for the name of one node, all others are failed over and told, and a member that starts again is reached', async () => {
    const stage = namedScene();
    const hurt = await filled(stage, 'hurt', 3);
    const other = await filled(stage, 'other', 2);
    const lost = hurt.replicas[0] ?? '';
    services().silence([hostOf(lost)]);
    await stage.nodeAt(lost).kill();
    // What a member knows it keeps: those that start now know nothing.
    await Promise.all(trio().members.map(async (member) => member.kill()));
    for (const member of trio().members) member.start();
    await trio().leader();
    await problemTold(trio(), stage, { kind: 'ownFault', addr: lost });

    await failsOver(hurt, [lost]);
    await failsOver(other);
    await startsAgain();

    services().answer([hostOf(lost)]);
    for (const address of [lost, hurt.master, other.master]) await stage.nodeAt(address).restart();
    // Whoever leads by then may never have had it: the lead goes to who sees more.
    await waitUntil('the problem to be gone', async () => {
      const { status } = (await stage.api.get(stage.path('hurt', '/status'))).body.data;
      return status.problems.length === 0 ? true : notYet(status.problems);
    });
    for (const cluster of ['hurt', 'other']) await expectEqualCopies(stage, cluster);
  });

  test('KD1: at all, what was known is reached: nodes are failed over, and a member that starts again serves and elects', async () => {
    const stage = namedScene();
    const shard = await filled(stage, 'c', 2);
    await followersLearn([...MEMBER_NAMES, hostOf(shard.master), ...shard.replicas.map(hostOf)]);
    services().silence([...MEMBER_NAMES, ...NODE_NAMES]);
    const [replica = ''] = shard.replicas;
    await stage.nodeAt(replica).kill();
    await waitFor('its name to be asked for in vain', () => services().wasAsked(hostOf(replica)));
    await problemTold(trio(), stage, { kind: 'replicaUnreachable', addr: replica });
    await stage.nodeAt(replica).restart();
    await waitFor('its return', () => isToldGone(trio(), stage, 'replicaUnreachable'));
    await stage.inSync(shard.master, replica);
    const leader = await trio().leader();
    await leader.kill();
    await trio().leader();
    leader.start();
    await trio().ready();
    await failsOver(shard);
    await startsAgain();
    await stage.nodeAt(shard.master).restart();
    await expectEqualCopies(stage, 'c');
    await waitUntil('the leader to see its link', async () => {
      const { status } = (await stage.api.get(stage.path('c', '/status'))).body.data;
      return status.nodes.every((node: { link_fault: unknown; converged: boolean }) => {
        return node.link_fault === null && node.converged;
      })
        ? true
        : notYet(status.nodes);
    });
    await failsOver({ ...shard, master: replica });
    expect(trio().members.map(({ isRunning, crash }) => [isRunning, crash])).toEqual(
      MEMBER_NAMES.map(() => [true, null]),
    );
    services().answer([...MEMBER_NAMES, ...NODE_NAMES]);
  });
});

function hostOf(address: string): string {
  return address.replace(/:.*/, '');
}

interface Filled {
  readonly stage: Scene;
  readonly cluster: string;
  readonly master: string;
  readonly replicas: readonly string[];
  readonly written: ReadonlyMap<string, string>;
}
