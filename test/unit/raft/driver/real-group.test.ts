// Three members with real logs, real snapshots and real HTTP between them.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { present } from '../../../../src/base/assert.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import { RealGroup, type RealMember } from './real-group.ts';

/** Patient, so that a busy machine does not depose leaders; snapshots come early. */
const TIMES = {
  heartbeatIntervalMs: 100,
  electionTimeoutMs: 1500,
  snapshotEntries: 200,
  trailingEntries: 20,
};

let folder = '';
let group: RealGroup;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raft-group-'));
  group = new RealGroup(folder, 3, TIMES);
  await group.start();
});

afterEach(async () => {
  await group.end();
  await rm(folder, { recursive: true, force: true });
  expect(group.fatal).toEqual([]);
});

async function leader(): Promise<RealMember> {
  await expect.poll(() => group.leader() !== null, { timeout: 30_000, interval: 20 }).toBe(true);
  return present(group.leader(), 'polled');
}

/** Proposes until `count` commands were applied; a lost lead is met by asking the next leader. */
async function write(count: number): Promise<void> {
  for (let done = 0; done < count;) {
    const { driver } = await leader();
    const size = Math.min(50, count - done);
    const outcomes = await Promise.all(
      Array.from({ length: size }, () => driver.propose(Buffer.from('command'), { deadlineMs: 10_000 })),
    );
    done += outcomes.filter((outcome) => outcome.ok).length;
  }
}

function agree(count: number): Promise<void> {
  return expect
    .poll(() => [...group.running.values()].map(({ machine }) => machine.count >= count), { timeout: 30_000 })
    .toEqual([...group.running.keys()].map(() => true));
}

it('writes, a failover, a restart from disk and a follower behind the log end in one state', async () => {
  await write(20);
  const first = await leader();
  await expect
    .poll(async () => (await group.leader()?.driver.read(5000))?.ok, { timeout: 30_000 })
    .toBe(true);
  await group.stop(first.id);
  await write(500);
  const second = await leader();
  await expect.poll(() => second.driver.status().base, { timeout: 30_000 }).toBeGreaterThan(100);
  await group.boot(first.id);
  await agree(520);
  const states = new Set(
    [...group.running.values()].map(({ machine }) => `${machine.count}/${machine.checksum}`),
  );
  expect(states.size).toBe(1);
  expect(group.running.get(first.id)?.driver.status().base).toBeGreaterThan(100);
  await group.stopAll();
  for (const id of [1, 2, 3]) await group.boot(memberId(id));
  await write(1);
  await agree(521);
  const restarted = new Set(
    [...group.running.values()].map(({ machine }) => `${machine.count}/${machine.checksum}`),
  );
  expect(restarted.size).toBe(1);
});

it('a hand-over under load fails no command that was placed, and the next leader takes over within moments', async () => {
  await write(20);
  const old = await leader();
  const placed = Array.from({ length: 100 }, () =>
    old.driver.propose(Buffer.from('command'), { deadlineMs: 10_000 }),
  );
  const outcome = await old.driver.handOver(20_000);
  expect(outcome).toBe('handedOver');
  const kinds = (await Promise.all(placed)).map((each) => (each.ok ? 'ok' : each.error.kind));
  expect(kinds.every((kind) => kind === 'ok' || kind === 'notLeader')).toBe(true);
  expect(old.driver.role.leader).not.toBe(old.id);
  await agree(20 + kinds.filter((kind) => kind === 'ok').length);
  await write(20);
});
