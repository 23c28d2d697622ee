// The group of controllers as a whole: members die, hang, come back, and nothing acknowledged is lost.

import { describe, expect, test } from 'vitest';

import type { Trio } from '../support/controller-process.ts';
import { useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

/** Entries from one snapshot to the next: low, so that a follower is soon too far behind for the log. */
const SNAPSHOT_ENTRIES = 200;
const trio = useTrio({ raft: { snapshotEntries: SNAPSHOT_ENTRIES } });

async function create(namespace: string): Promise<void> {
  const answer = await trio().api.post('/api/v1/namespaces', { namespace });
  if (answer.status !== 201) throw new Error(`${namespace}: ${answer.status} ${answer.text}`);
}

async function namespaces(): Promise<string[]> {
  return (await trio().api.get('/api/v1/namespaces')).body.data.namespaces;
}

/** Writes without pause until told to stop; gives the names whose creation was acknowledged. */
function startWriter(group: Trio, prefix: string): () => Promise<readonly string[]> {
  const acknowledged: string[] = [];
  const stop = new AbortController();
  const writing = (async () => {
    for (let index = 0; !stop.signal.aborted; index += 1) {
      const namespace = `${prefix}-${index}`;
      const answer = await group.api.post('/api/v1/namespaces', { namespace }).catch(() => null);
      if (answer?.status === 201) acknowledged.push(namespace);
    }
  })();
  return async () => {
    stop.abort();
    await writing;
    return acknowledged;
  };
}

describe('the group', () => {
  test('takes writes again after the leader was killed, and has every acknowledged one', async () => {
    const stopWriter = startWriter(trio(), 'kill');
    for (let round = 0; round < 3; round += 1) {
      const leader = await trio().leader();
      await create(`before-${round}`);
      await leader.kill();
      await create(`after-${round}`);
      leader.start();
    }
    const acknowledged = await stopWriter();
    await trio().leader();
    expect(await namespaces()).toEqual(
      expect.arrayContaining([
        ...acknowledged,
        'before-0',
        'after-0',
        'before-1',
        'after-1',
        'before-2',
        'after-2',
      ]),
    );
    expect(acknowledged.length).toBeGreaterThan(0);
  });

  test('goes on when the leader hangs, and takes it back as a follower', async () => {
    const leader = await trio().leader();
    leader.pause();
    try {
      const successor = await trio().leader([leader]);
      expect(successor.id).not.toBe(leader.id);
      const answer = await trio().api.sendTo(successor.url, 'POST', '/api/v1/namespaces', {
        body: { namespace: 'hung' },
      });
      expect(answer.status).toBe(201);
    } finally {
      leader.resume();
    }
    const now = await trio().leader();
    expect(await namespaces()).toContain('hung');
    expect(
      (await trio().api.sendTo(leader.url, 'GET', '/api/v1/controller/leader')).body.data.leader.id,
    ).toBe(now.id);
  });

  test('a leader that hung answers no read from before: reads after it woke show what others wrote', async () => {
    const leader = await trio().leader();
    leader.pause();
    try {
      const successor = await trio().leader([leader]);
      await trio().api.sendTo(successor.url, 'POST', '/api/v1/namespaces', {
        body: { namespace: 'meanwhile' },
      });
    } finally {
      leader.resume();
    }
    const answer = await waitUntil('the woken member to answer a read', async () => {
      const read = await trio().api.sendTo(leader.url, 'GET', '/api/v1/namespaces');
      return read.status === 200 ? read : notYet(read.text);
    });
    expect(answer.body.data.namespaces).toContain('meanwhile');
  });

  test('has everything after all three were killed at once', async () => {
    const before = await namespaces();
    await create('last');
    await Promise.all(trio().members.map((member) => member.kill()));
    for (const member of trio().members) member.start();
    expect((await namespaces()).toSorted()).toEqual([...before, 'last'].toSorted());
  });

  test('a follower that was away for longer than the log reaches catches up by snapshot', async () => {
    const [away] = await trio().followers();
    if (away === undefined) throw new Error('two members follow');
    const before = await namespaces();
    await away.kill();
    await writeMany(3 * SNAPSHOT_ENTRIES);
    expect((await namespaces()).length).toBe(before.length);
    await create('at-the-end');
    away.start();
    await waitUntil('the member to install a snapshot', () => {
      const installed = trio().logged('raft.snapshot.installed');
      return installed.some((line) => line['member'] === away.id) ? true : notYet(installed);
    });
    // It can take over with all of it: the only other member left agrees.
    const other = trio().members.find((member) => member !== away);
    await other?.kill();
    expect((await namespaces()).toSorted()).toEqual([...before, 'at-the-end'].toSorted());
    other?.start();
    await trio().leader();
  });
});

/** Creates and deletes `count / 2` namespaces, many at a time. */
async function writeMany(count: number): Promise<void> {
  const leader = await trio().leader();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count / 2) {
      const namespace = `many-${next}`;
      next += 1;
      const created = await trio().api.sendTo(leader.url, 'POST', '/api/v1/namespaces', {
        body: { namespace },
      });
      const deleted = await trio().api.sendTo(leader.url, 'DELETE', `/api/v1/namespaces/${namespace}`);
      if (created.status !== 201 || deleted.status !== 200) throw new Error(created.text + deleted.text);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
