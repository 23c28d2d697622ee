// A majority of the controllers is gone for good: a new group is made of the one that is left, and nobody of the old one disturbs it.

import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, expect, test } from 'vitest';

import { ControllerChild } from '../../scripts/lib/controller-child.ts';
import { type ControllerGroup, type ControllerProcess, startTrio } from '../support/controller-process.ts';
import { Scene } from '../support/scene.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const PEERS = '/api/v1/raft/peers';
const RECOVER = ['recover', '--force-new-group'];
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** Waits until exactly these members are voters and all that run are ready. */
async function settled(group: ControllerGroup, ids: readonly number[]): Promise<void> {
  await waitUntil(`members ${ids.join(', ')} to be the voters`, async () => {
    const { members } = (await group.api.get(PEERS)).body.data;
    const voters = members.filter(({ role }: { role: string }) => role === 'voter');
    const isSettled = String(voters.map(({ id }: { id: number }) => id)) === String(ids);
    return isSettled && members.length === ids.length ? true : notYet(members);
  });
  await group.ready();
}

async function add(group: ControllerGroup, { id, address }: ControllerProcess): Promise<void> {
  await waitUntil(`member ${id} to be taken in`, async () => {
    const answer = await group.api.post(PEERS, { id, peer: address, operation: 'add' });
    return answer.status === 200 ? true : notYet(answer.text);
  });
}

test('S12: recovered on the member that is left, a group leads on with all that was acknowledged, grows again, and refuses the old members', async () => {
  const group = await startTrio();
  ends.push(() => group.stop());
  const stage = new Scene(group.api);
  ends.push(() => stage.end());
  const before = await stage.cluster('carts', await stage.nodes(2), { replicas: 2 });
  const left = await group.leader();
  const [first, second] = await group.followers();
  if (first === undefined || second === undefined) throw new Error('two members follow');

  const ranBeside = new ControllerChild({
    configFile: left.configFile,
    logFile: join(group.folder, 'beside.log'),
    args: [...RECOVER, '--yes'],
  });
  expect(await ranBeside.exited).toEqual({ code: 1, signal: null });
  expect(ranBeside.stderr).toContain('in use by another process');

  await Promise.all(group.members.map((member) => member.kill()));
  const oldDisk = join(group.folder, 'old');
  cpSync(first.dataDir, oldDisk, { recursive: true });
  for (const member of [first, second]) rmSync(member.dataDir, { recursive: true });

  expect(await left.startRefused(['data', 'inspect', left.dataDir, first.dataDir])).toMatchObject({
    exit: { code: 1 },
  });
  expect(left.logText()).toContain(`${first.dataDir}: not to be used: there is no such directory`);
  expect(left.logText()).toContain(`highest: member ${left.id} in ${left.dataDir}`);
  const names = readdirSync(left.dataDir);
  const unconfirmed = await left.startRefused(RECOVER);
  expect(unconfirmed).toMatchObject({ exit: { code: 1 } });
  expect(unconfirmed.stderr).toContain('not confirmed, nothing was changed');
  expect(readdirSync(left.dataDir)).toEqual(names);
  expect(await left.startRefused([...RECOVER, '--yes'])).toEqual({
    exit: { code: 0, signal: null },
    stderr: '',
  });
  const kept = readdirSync(left.dataDir).filter((name) => name.startsWith('before-recovery-'));
  expect(kept).toHaveLength(1);
  for (const part of ['identity.json', 'wal', 'snapshots', 'state'])
    expect(existsSync(join(left.dataDir, kept[0] ?? '', part))).toBe(true);

  left.start();
  await settled(group, [left.id]);
  expect(await stage.view('carts')).toEqual(before);
  await stage.converged('carts');

  // One of the old group comes back with all it had: nobody listens to it, and it cannot lead.
  cpSync(oldDisk, first.dataDir, { recursive: true });
  first.start();
  await waitUntil('the old member to be refused', async () => {
    const { text } = await group.api.sendTo(left.url, 'GET', '/metrics');
    const [, count] = /messages_refused_total\{[^}]*reason="foreignCluster"[^}]*\} (\d+)/.exec(text) ?? [];
    return Number(count) > 0 ? true : notYet(text);
  });
  expect((await group.api.sendTo(first.url, 'GET', '/readyz')).status).toBe(503);
  expect((await group.api.sendTo(left.url, 'GET', PEERS)).body.data.members).toHaveLength(1);
  await first.kill();

  for (const id of [4, 5]) {
    const joiner = await group.prepareJoiner(id, [left.address]);
    joiner.start();
    await add(group, joiner);
  }
  await settled(group, [left.id, 4, 5]);
  await waitUntil('the lead to be given to a new member', async () => {
    // A change of members may still be under way: its answer asks for another try.
    const answer = await group.api.post('/api/v1/controller/leader/transfer', { to: 5 });
    return answer.status === 200 ? true : notYet(answer.text);
  });
  expect(await stage.view('carts')).toEqual(before);
  expect((await group.api.post('/api/v1/namespaces', { namespace: 'after' })).status).toBe(201);
});
