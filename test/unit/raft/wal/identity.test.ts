// Who a data directory belongs to: made once, checked at every start, never guessed.

import { describe, expect, it } from 'vitest';

import { present } from '../../../../src/base/assert.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import { foundingClusterId, randomClusterId } from '../../../../src/raft/cluster-id.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import { IdentityRefused, WalUnsupported } from '../../../../src/raft/wal/errors.ts';
import {
  type ExpectedIdentity,
  type Identity,
  createIdentity,
  markRemoved,
  readIdentity,
  writeIdentity,
} from '../../../../src/raft/wal/identity.ts';
import { type Task, runTask } from '../../../../src/raft/wal/task.ts';
import { FORMAT_VERSION, writeSegmentHeader } from '../../../../src/raft/wal/format.ts';
import { ByteWriter } from '../../../../src/raft/wal/bytes.ts';
import { INITIAL_STATE, mustOpen, openOn } from '../../../support/log-script.ts';
import { SimulatedDisk } from '../../../support/simulated-disk.ts';

const OWN = foundingClusterId(['127.0.0.1:9379']);
const FOREIGN = foundingClusterId(['127.0.0.1:9379', '127.0.0.1:9380']);
const IDENTITY = '/data/identity.json';
const FIRST_SEGMENT = '/data/wal/wal-0000000000000001.log';

function booted(): SimulatedDisk {
  const disk = new SimulatedDisk();
  mustOpen(disk);
  return disk.afterPowerLoss({ kind: 'lost' });
}

function neverTimer(): { cancel(): void } {
  return { cancel: () => undefined };
}

function rewritten(change: (text: string) => string): SimulatedDisk {
  const disk = booted();
  disk.plant(IDENTITY, Buffer.from(change(disk.files().get(IDENTITY)!.toString())));
  return disk;
}

/** Runs `task` to its end on `disk`. */
function settled<T>(disk: SimulatedDisk, task: Task<T>): T | Error {
  let result: { readonly value: T | Error } | null = null;
  runTask(task, (value) => {
    result = { value };
  });
  disk.runUntilIdle();
  return present<{ readonly value: T | Error }>(result, 'the task ended').value;
}

function readOn(disk: SimulatedDisk, expected: Partial<ExpectedIdentity> = {}): Identity | null | Error {
  return settled(disk, readIdentity(disk, '/data', { memberId: memberId(1), clusterId: null, ...expected }));
}

describe('the identity of a data directory', () => {
  it('is made at first boot, with the initial membership as the base of the log', () => {
    const disk = new SimulatedDisk();
    const first = mustOpen(disk);
    expect(first).toMatchObject({ firstBoot: true, restored: INITIAL_STATE });
    const second = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
    expect(second).toMatchObject({ firstBoot: false, restored: INITIAL_STATE, identity: first.identity });
    expect(second.identity).toMatchObject({
      format: 2,
      clusterId: OWN,
      memberId: 1,
      state: 'ready',
      createdAt: '1970-01-01T00:00:00.000Z',
    });
    expect(second.identity.incarnation).toMatch(/^[0-9a-f]{32}$/);
  });

  it('refuses another member, in one line that names both', () => {
    const result = openOn(booted(), { memberId: memberId(2) });
    expect(result).toBeInstanceOf(IdentityRefused);
    expect(result).toMatchObject({ problem: 'otherMember' });
    expect(result).toMatchObject({
      message: expect.stringMatching(/^.*belongs to member 1, the configuration says member 2.*$/),
    });
  });

  it('refuses another cluster where the configuration knows its own, in one line that names both', () => {
    expect(readOn(booted(), { clusterId: OWN })).toMatchObject({ clusterId: OWN });
    const result = readOn(booted(), { clusterId: FOREIGN });
    expect(result).toMatchObject({ name: 'IdentityRefused', problem: 'otherCluster' });
    expect(result).toMatchObject({
      message: expect.stringMatching(new RegExp(`^.*cluster ${OWN}.*cluster ${FOREIGN}.*$`)),
    });
  });

  it('keeps the cluster a directory was made for, whatever the configuration lists later', () => {
    expect(mustOpen(booted(), { clusterId: FOREIGN }).identity.clusterId).toBe(OWN);
  });

  it('is made anew when the first boot was interrupted and the configuration corrected since', () => {
    const disk = rewritten((text) => text.replace('"ready"', '"initialising"'));
    const before = readOn(disk);
    const { identity, firstBoot } = mustOpen(disk, { clusterId: FOREIGN, random: createSeededRandom(8) });
    expect(firstBoot).toBe(true);
    expect(identity.clusterId).toBe(FOREIGN);
    expect(identity.incarnation).not.toBe(before instanceof Error ? null : before?.incarnation);
  });

  it('of a removed member never starts again, and the refusal says how to come back', () => {
    const disk = booted();
    expect(settled(disk, markRemoved(disk, '/data'))).toBeUndefined();
    expect(settled(disk, markRemoved(disk, '/data'))).toBeUndefined();
    const result = openOn(disk.afterPowerLoss({ kind: 'lost' }));
    expect(result).toMatchObject({ name: 'IdentityRefused', problem: 'removed' });
    expect(result).toMatchObject({ message: expect.stringContaining('cluster_state: existing') });
  });

  it('that does not exist is not made by a removal', () => {
    const disk = new SimulatedDisk();
    settled(disk, markRemoved(disk, '/data'));
    expect(readOn(disk)).toBeNull();
  });

  it('reads back as written, for any member and cluster', () => {
    const random = createSeededRandom(3);
    for (const id of [1, 7, 2 ** 40]) {
      const disk = booted();
      const sources = { random, clock: { monotonicMs: () => 0, wallMs: () => 1000, setTimer: neverTimer } };
      const identity = createIdentity(
        { memberId: memberId(id), clusterId: randomClusterId(random) },
        sources,
      );
      settled(disk, writeIdentity(disk, '/data', identity));
      expect(readOn(disk, { memberId: memberId(id), clusterId: identity.clusterId })).toEqual(identity);
    }
  });

  it('refuses a log without an identity', () => {
    const disk = booted();
    disk.uproot(IDENTITY);
    expect(openOn(disk)).toMatchObject({ name: 'IdentityRefused', problem: 'missing' });
  });

  it('refuses an identity without a log', () => {
    const disk = booted();
    for (const path of disk.files().keys()) if (path.endsWith('.log')) disk.uproot(path);
    expect(openOn(disk)).toMatchObject({ name: 'IdentityRefused', problem: 'logMissing' });
  });

  it.each([
    ['no JSON', (text: string) => text.slice(0, 20)],
    ['an empty file', () => ''],
    ['a short incarnation', (text: string) => text.replace(/"incarnation": "../, '"incarnation": "')],
    ['an unknown field', (text: string) => text.replace('{', '{"more": 1,')],
  ])('refuses %s', (_, change) => {
    expect(openOn(rewritten(change))).toMatchObject({ name: 'IdentityRefused', problem: 'unreadable' });
  });

  it('refuses the format of a newer release without calling it damage', () => {
    const result = openOn(rewritten((text) => text.replace('"format": 2', '"format": 3')));
    expect(result).toMatchObject({ name: 'IdentityRefused', problem: 'unsupported' });
    expect(result).toMatchObject({ message: expect.not.stringContaining('damaged') });
  });

  it('refuses the format of builds before the first release, and says what to start from', () => {
    const outdated = { format: 1, memberId: 1, incarnation: 'ab'.repeat(16), state: 'ready' };
    const result = openOn(rewritten(() => JSON.stringify(outdated)));
    expect(result).toMatchObject({ name: 'IdentityRefused', problem: 'outdated' });
    expect(result).toMatchObject({ message: expect.stringMatching(/empty directories.*backup/) });
    expect(result).toMatchObject({ message: expect.not.stringContaining('damaged') });
  });

  it('refuses a log of another incarnation', () => {
    const disk = rewritten((text) => text.replace(/"incarnation": "[0-9a-f]{4}/, '"incarnation": "0000'));
    expect(openOn(disk)).toMatchObject({ name: 'WalDamaged', file: FIRST_SEGMENT });
  });

  it('refuses a segment of a newer format without calling it damage', () => {
    const disk = booted();
    const writer = new ByteWriter();
    const incarnation = new Uint8Array(16);
    const header = { incarnation, number: 1, capacityBytes: 4096, firstOrdinal: 1, previousChain: 0 };
    writeSegmentHeader(writer, { ...header, version: FORMAT_VERSION + 1 });
    disk.plant(FIRST_SEGMENT, Buffer.concat([writer.view(), Buffer.alloc(4096 - writer.length)]));
    expect(openOn(disk)).toBeInstanceOf(WalUnsupported);
  });
});
