// Who belongs to the group changes while it runs: members join, leave, come back wrongly and are told so.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import { writeMemberConfig } from '../../scripts/lib/controller-child.ts';
import type { Answer } from '../support/api-client.ts';
import {
  type ControllerGroup,
  type ControllerProcess,
  prepareTrio,
  startTrio,
  type TrioOptions,
} from '../support/controller-process.ts';
import { freePort } from '../support/free-port.ts';
import { Load } from '../support/load.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const PEERS = '/api/v1/raft/peers';
const groups: ControllerGroup[] = [];

afterEach(async (context) => {
  for (const group of groups.splice(0)) {
    if (context.task.result?.state === 'fail') console.error(group.logTails());
    await group.stop();
  }
});

async function started(options: TrioOptions = {}): Promise<ControllerGroup> {
  const group = await startTrio(options);
  groups.push(group);
  return group;
}

/** Repeats while another change is under way, as its answer asks for. */
async function change(group: ControllerGroup, body: unknown): Promise<Answer> {
  return waitUntil('the group to take a change', async () => {
    const answer = await group.api.post(PEERS, body);
    return answer.status === 409 || answer.status === 503 ? notYet(answer.text) : answer;
  });
}

async function add(group: ControllerGroup, member: ControllerProcess): Promise<void> {
  const answer = await change(group, { id: member.id, peer: member.address, operation: 'add' });
  expect([answer.status, answer.body]).toEqual([200, { data: 'ok' }]);
}

async function remove(group: ControllerGroup, member: ControllerProcess): Promise<void> {
  const answer = await change(group, { id: member.id, peer: member.address, operation: 'remove' });
  expect([answer.status, answer.body]).toEqual([200, { data: 'ok' }]);
}

/** Waits until exactly these members are voters, nothing changes any more, and all of them are ready. */
async function settled(group: ControllerGroup, ids: readonly number[]): Promise<void> {
  await waitUntil(`members ${ids.join(', ')} to be the voters`, async () => {
    const { members, changing } = (await group.api.get(PEERS)).body.data;
    const voters = members
      .filter((member: { role: string }) => member.role === 'voter')
      .map((member: { id: number }) => member.id);
    const isSettled = changing === undefined && members.length === voters.length;
    return isSettled && String(voters) === String(ids) ? true : notYet({ members, changing });
  });
  await group.ready();
}

async function namespaces(group: ControllerGroup): Promise<readonly string[]> {
  return (await group.api.get('/api/v1/namespaces')).body.data.namespaces;
}

describe('a living group', () => {
  test('grows from one to three to five and shrinks to three under load, and loses no acknowledged write', async () => {
    const group = await started({ count: 1, raft: { snapshotEntries: 300 } });
    const load = new Load(group, 'growing');
    // A process that waits to be taken in has no leader to name, for as long as that takes: clients are told of members.
    load.know([group.member(1)]);
    await load.progress(50);
    for (const id of [2, 3]) {
      const joiner = await group.prepareJoiner(id);
      joiner.start();
      await add(group, joiner);
    }
    await settled(group, [1, 2, 3]);
    load.know([1, 2, 3].map((id) => group.member(id)));
    await load.progress(50);
    for (const id of [4, 5]) {
      const joiner = await group.prepareJoiner(id);
      await add(group, joiner);
      joiner.start();
    }
    await settled(group, [1, 2, 3, 4, 5]);
    load.know([3, 4, 5].map((id) => group.member(id)));
    await load.progress(50);
    // The first leader among them: whoever leads then steps down by its own removal.
    for (const id of [1, 2]) {
      const gone = group.member(id);
      await remove(group, gone);
      expect((await gone.endsByItself()).exit).toEqual({ code: 0, signal: null });
      await load.progress(20);
    }
    await settled(group, [3, 4, 5]);
    await load.progress(50);
    const { acknowledged, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(await namespaces(group)).toEqual(expect.arrayContaining([...acknowledged]));
    // Each of the three has all of it: led by each in turn, the group tells the same.
    const all = (await namespaces(group)).toSorted();
    for (const id of [3, 4, 5]) {
      if ((await group.leader()).id !== id)
        expect((await group.api.post('/api/v1/controller/leader/transfer', { to: id })).status).toBe(200);
      expect((await namespaces(group)).toSorted()).toEqual(all);
    }
  });

  test('refuses what cannot be, and names the field and the reason', async () => {
    const group = await started();
    const [one, two] = group.members;
    if (one === undefined || two === undefined) throw new Error('a trio has members');
    const CASES: readonly [unknown, string][] = [
      [
        { id: 2, peer: '127.0.0.1:1', operation: 'add' },
        `id: member 2 belongs to the group already, at ${two.address}`,
      ],
      [{ id: 4, peer: two.address, operation: 'add' }, `peer: ${two.address} is the address of member 2`],
      [{ id: 9, peer: '127.0.0.1:1', operation: 'remove' }, 'id: there is no member 9'],
      [
        { id: 2, peer: one.address, operation: 'remove' },
        `peer: member 2 is at ${two.address}, not at ${one.address}`,
      ],
    ];
    for (const [body, message] of CASES) {
      const answer = await change(group, body);
      expect([answer.status, answer.body]).toEqual([400, { error: { message } }]);
    }
    await settled(group, [1, 2, 3]);
  });

  test('keeps its last member', async () => {
    const group = await started({ count: 1 });
    const answer = await change(group, { id: 1, operation: 'remove' });
    expect([answer.status, answer.body.error.message]).toEqual([
      400,
      'id: member 1 is the last voter; add another member before you remove it',
    ]);
  });
});

describe('a member that joins', () => {
  test('waits, and says in readyz for whom, until the group can be asked and has taken it in', async () => {
    const group = await started({ count: 1 });
    const first = group.member(1);
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    const joiner = await group.prepareJoiner(2);
    joiner.start();
    const notReady = async (text: string): Promise<void> => {
      await waitUntil(`readyz to say "${text}"`, async () => {
        const { status, body } = await group.api.sendTo(joiner.url, 'GET', '/readyz');
        return status === 503 && body.error.message.includes(text) ? true : notYet(body);
      });
    };
    await notReady(first.address);
    expect((await group.api.sendTo(joiner.url, 'GET', '/healthz')).status).toBe(200);
    first.start();
    await notReady('does not belong to the group yet');
    await add(group, joiner);
    await settled(group, [1, 2]);
  });

  test('can be told to stop while it waits', async () => {
    const group = await prepareTrio({ count: 1 });
    groups.push(group);
    const joiner = await group.prepareJoiner(2);
    joiner.start();
    await waitUntil('the joiner to wait', () =>
      joiner.log().some((line) => line.event === 'raft.join.waiting') ? true : notYet(joiner.logText()),
    );
    expect(await joiner.stop()).toEqual({ code: 0, signal: null });
  });

  test('refuses raft.peers of two groups, and a number that is in use', async () => {
    const group = await started({ count: 1 });
    const other = await started({ count: 1 });
    const [here, there] = [group.member(1), other.member(1)];
    const joiner = await group.prepareJoiner(2, [here.address, there.address]);
    const mixed = await joiner.startRefused();
    expect(mixed.exit).toEqual({ code: 1, signal: null });
    expect(mixed.stderr).toContain('raft.peers names members of two groups');
    const nobody = await prepareTrio({ count: 0 });
    groups.push(nobody);
    const twin = await nobody.prepareJoiner(1, [here.address]);
    const refused = await twin.startRefused();
    expect(refused.exit).toEqual({ code: 1, signal: null });
    expect(refused.stderr).toContain('raft.id: member 1 runs at');
  });

  test('of another group is not taken in', async () => {
    const group = await started({ count: 1 });
    const other = await started({ count: 1 });
    const stranger = other.member(1);
    const answer = await change(group, { id: 2, peer: stranger.address, operation: 'add' });
    expect(answer.status).toBe(400);
    expect(answer.body.error.message).toContain('belongs to another group');
  });
});

describe('a removed member', () => {
  test('stops itself with one clear line, refuses to start again, and disturbs nobody', async () => {
    const group = await started();
    const leader = await group.leader();
    const [gone] = await group.followers();
    if (gone === undefined) throw new Error('two members follow');
    const before = (await group.api.get('/api/v1/controller/leader')).body.data.term;
    await remove(group, gone);
    expect((await gone.endsByItself()).exit).toEqual({ code: 0, signal: null });
    expect(gone.log().filter((line) => line.event === 'controller.removed')).toHaveLength(1);
    const again = await gone.startRefused();
    expect(again.exit).toEqual({ code: 1, signal: null });
    expect(again.stderr).toContain('was removed');
    expect(again.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect((await group.leader()).id).toBe(leader.id);
    expect((await group.api.get('/api/v1/controller/leader')).body.data.term).toBe(before);
    const reused = await change(group, { id: gone.id, peer: gone.address, operation: 'add' });
    expect([reused.status, reused.body.error.message]).toEqual([
      400,
      `id: member ${gone.id} was removed from the group and its number is never used again; choose another`,
    ]);
  });

  test('that was away meanwhile is told when it comes back', async () => {
    const group = await started();
    const [away] = await group.followers();
    if (away === undefined) throw new Error('two members follow');
    await away.kill();
    await remove(group, away);
    away.start();
    expect((await away.endsByItself()).exit).toEqual({ code: 0, signal: null });
    expect((await away.startRefused()).stderr).toContain('was removed');
    await group.leader();
  });

  test('that led hands over, answers its own removal and stops', async () => {
    const group = await started();
    const leader = await group.leader();
    const answer = await group.api.sendTo(leader.url, 'POST', PEERS, {
      body: { id: leader.id, operation: 'remove' },
    });
    expect([answer.status, answer.body]).toEqual([200, { data: 'ok' }]);
    expect((await leader.endsByItself()).exit).toEqual({ code: 0, signal: null });
    expect((await group.leader()).id).not.toBe(leader.id);
    expect((await group.api.post('/api/v1/namespaces', { namespace: 'after' })).status).toBe(201);
  });
});

describe('a member whose disk was wiped', () => {
  test('S58: is refused under its old number with what to do, and comes back under a new one', async () => {
    const group = await started();
    const [wiped] = await group.followers();
    if (wiped === undefined) throw new Error('two members follow');
    await wiped.kill();
    rmSync(wiped.dataDir, { recursive: true });
    const { exit, stderr } = await wiped.startRefused();
    expect(exit).toEqual({ code: 1, signal: null });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toContain('"remove"');
    expect(stderr).toContain('cluster_state');
    await remove(group, wiped);
    const fresh = await group.prepareJoiner(4);
    fresh.start();
    await add(group, fresh);
    await settled(
      group,
      [1, 2, 3, 4].filter((id) => id !== wiped.id),
    );
  });
});

describe('a member that moved to another address', () => {
  test('refuses to start there, alone as beside others, and goes on where its group knows it', async () => {
    const group = await started({ count: 1 });
    const only = group.member(1);
    expect(group.logged('raft.founding.alone')).toHaveLength(1);
    const moved = `127.0.0.1:${await freePort()}`;
    const movedConfig = (): void =>
      writeMemberConfig(only.configFile, { id: 1, peers: [moved], dataDir: only.dataDir });
    const isRefused = async (advice: string): Promise<void> => {
      expect(await only.stop()).toEqual({ code: 0, signal: null });
      movedConfig();
      const { exit, stderr } = await only.startRefused();
      expect(exit).toEqual({ code: 1, signal: null });
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      for (const part of [only.address, moved, advice]) expect(stderr).toContain(part);
      group.reconfigure(only, { peers: [only.address], clusterState: 'new' });
      only.start();
    };
    await isRefused('--restore');
    await settled(group, [1]);
    const second = await group.prepareJoiner(2);
    second.start();
    await add(group, second);
    await settled(group, [1, 2]);
    await isRefused('under a number that was never used');
    await settled(group, [1, 2]);
    // The file that founded the group alone is dangerous now, and says so: once at the founding, once at the last start.
    const warnings = group.logged('raft.founding.alone');
    expect(warnings).toHaveLength(2);
    expect(warnings[1]?.['reason']).toContain(`raft.peers: ["${second.address}"]`);
  });
});

describe('handing the lead over', () => {
  test('refuses nothing: whoever asks meanwhile waits for the next leader', async () => {
    const group = await started();
    const statuses = new Set<number>();
    const over = new AbortController();
    const clients = group.members.map(async (member) => {
      for (let round = 0; !over.signal.aborted; round += 1) {
        const method = round % 2 === 0 ? 'GET' : 'POST';
        const body = method === 'GET' ? undefined : { namespace: `n-${member.id}-${round}` };
        const { status } = await group.api.sendTo(member.url, method, '/api/v1/namespaces', { body });
        statuses.add(status);
      }
    });
    for (let round = 0; round < 20; round += 1) {
      const to = (round % 3) + 1;
      await waitUntil(`member ${to} to lead`, async () => {
        const leader = await group.leader();
        if (leader.id === to) return true;
        // Refused while a new leader has nothing of its own term committed.
        await group.api.sendTo(leader.url, 'POST', '/api/v1/controller/leader/transfer', { body: { to } });
        return notYet(leader.id);
      });
    }
    over.abort();
    await Promise.all(clients);
    expect(statuses).toEqual(new Set([200, 201]));
  });
});

describe('a new group', () => {
  test('waits for all of its members at its first start and says for whom', async () => {
    const group = await prepareTrio();
    groups.push(group);
    const [one, two, three] = group.members;
    if (one === undefined || two === undefined || three === undefined) throw new Error('a trio has members');
    one.start();
    two.start();
    await waitUntil('readyz to name the missing member', async () => {
      const { status, body } = await group.api.sendTo(one.url, 'GET', '/readyz');
      const message: string = body.error?.message ?? '';
      const isNamed = message.includes(`member 3 (${three.address})`) && !message.includes('member 2');
      return status === 503 && isNamed ? true : notYet(body);
    });
    await waitUntil('the log to name it too', () =>
      one.logText().includes('raft.founding.waiting') ? true : notYet(one.logText()),
    );
    three.start();
    await group.leader();
    await group.ready();
    // From now on a majority is enough.
    await three.kill();
    await Promise.all([one.kill(), two.kill()]);
    one.start();
    two.start();
    await group.leader();
  });

  test('says so when its members were given different lists', async () => {
    const group = await prepareTrio();
    groups.push(group);
    const [one, two, three] = group.members;
    if (one === undefined || two === undefined || three === undefined) throw new Error('a trio has members');
    group.reconfigure(two, { peers: [one.address, two.address], clusterState: 'new' });
    for (const member of group.members) member.start();
    await waitUntil('readyz to name the member with the other list', async () => {
      const { body } = await group.api.sendTo(one.url, 'GET', '/readyz');
      const message: string = body.error?.message ?? '';
      return message.includes(`member 2 at ${two.address} was started for another group`)
        ? true
        : notYet(body);
    });
    // Nothing was promised yet: with the right list and an empty directory it takes part.
    await two.stop();
    rmSync(two.dataDir, { recursive: true });
    group.reconfigure(two, { peers: group.members.map(({ address }) => address), clusterState: 'new' });
    two.start();
    await group.leader();
    await group.ready();
  });

  test('refuses a data directory of another group', async () => {
    const group = await started();
    const other = await prepareTrio();
    groups.push(other);
    const member = group.member(2);
    await member.stop();
    const before = readdirSync(member.dataDir);
    const foreign = other.member(2);
    const text = readFileSync(foreign.configFile, 'utf8').replace(foreign.dataDir, member.dataDir);
    writeFileSync(foreign.configFile, text);
    const { exit, stderr } = await foreign.startRefused();
    expect(exit).toEqual({ code: 1, signal: null });
    expect(stderr).toContain(member.dataDir);
    expect(stderr).toContain('another group');
    expect(readdirSync(member.dataDir)).toEqual(before);
  });
});

describe('a backup', () => {
  test('restored on one member makes a new group with all of the state, which grows to three again', async () => {
    const group = await started();
    for (let index = 0; index < 50; index += 1)
      expect((await group.api.post('/api/v1/namespaces', { namespace: `n${index}` })).status).toBe(201);
    const [follower] = await group.followers();
    if (follower === undefined) throw new Error('two members follow');
    const file = join(group.folder, 'copy.snapshot');
    const disposition = await download(group, follower, file);
    expect(disposition).toMatch(/^attachment; filename="[\w.-]+"$/);
    await Promise.all(group.members.map((member) => member.kill()));
    for (const member of group.members) rmSync(member.dataDir, { recursive: true });

    const [one, two, three] = group.members;
    if (one === undefined || two === undefined || three === undefined) throw new Error('a trio has members');
    one.start(['--restore', file]);
    await settled(group, [1]);
    expect(await namespaces(group)).toHaveLength(50);
    for (const member of [two, three]) {
      group.reconfigure(member, { peers: [one.address], clusterState: 'existing' });
      member.start();
      await add(group, member);
    }
    await settled(group, [1, 2, 3]);
    expect((await group.api.post('/api/v1/controller/leader/transfer', { to: 3 })).status).toBe(200);
    expect(await namespaces(group)).toHaveLength(50);

    // An ordinary restart goes on, a second restore is refused: it would forget what was written since.
    expect(await one.stop()).toEqual({ code: 0, signal: null });
    const { exit, stderr } = await one.startRefused(['--restore', file]);
    expect(exit).toEqual({ code: 1, signal: null });
    expect(stderr).toContain(one.dataDir);
    one.start();
    await settled(group, [1, 2, 3]);
  });

  test('that is damaged or cut short is refused', async () => {
    const group = await started({ count: 1 });
    const file = join(group.folder, 'copy.snapshot');
    const only = group.member(1);
    await download(group, only, file);
    await only.kill();
    rmSync(only.dataDir, { recursive: true });
    const bytes = readFileSync(file);
    for (const broken of [bytes.subarray(0, bytes.length - 1), flipped(bytes), Buffer.from('{}')]) {
      writeFileSync(file, broken);
      const { exit, stderr } = await only.startRefused(['--restore', file]);
      expect(exit).toEqual({ code: 1, signal: null });
      expect(stderr).toContain(file);
    }
    writeFileSync(file, bytes);
    only.start(['--restore', file]);
    await settled(group, [1]);
  });
});

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.length - 40;
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}

/** Saves the backup that `member` sends a client to; gives the name it proposes. */
async function download(group: ControllerGroup, member: ControllerProcess, file: string): Promise<string> {
  const bytes = await group.api.download(`${member.url}/api/v1/raft/snapshot`);
  writeFileSync(file, bytes.content);
  return bytes.disposition;
}
