// Who a data directory belongs to: made once, checked at every start, never guessed.

import { describe, expect, it } from 'vitest';

import { memberId } from '../../../../src/raft/core/types.ts';
import { IdentityRefused, WalUnsupported } from '../../../../src/raft/wal/errors.ts';
import { FORMAT_VERSION, writeSegmentHeader } from '../../../../src/raft/wal/format.ts';
import { ByteWriter } from '../../../../src/raft/wal/bytes.ts';
import { INITIAL_STATE, mustOpen, openOn } from '../../../support/log-script.ts';
import { SimulatedDisk } from '../../../support/simulated-disk.ts';

const IDENTITY = '/data/identity.json';
const FIRST_SEGMENT = '/data/wal/wal-0000000000000001.log';

function booted(): SimulatedDisk {
  const disk = new SimulatedDisk();
  mustOpen(disk);
  return disk.afterPowerLoss({ kind: 'lost' });
}

function rewritten(change: (text: string) => string): SimulatedDisk {
  const disk = booted();
  disk.plant(IDENTITY, Buffer.from(change(disk.files().get(IDENTITY)!.toString())));
  return disk;
}

describe('the identity of a data directory', () => {
  it('is made at first boot, with the initial membership as the base of the log', () => {
    const disk = new SimulatedDisk();
    const first = mustOpen(disk);
    expect(first).toMatchObject({ firstBoot: true, restored: INITIAL_STATE });
    const second = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
    expect(second).toMatchObject({ firstBoot: false, restored: INITIAL_STATE, identity: first.identity });
    expect(second.identity).toMatchObject({
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
    const result = openOn(rewritten((text) => text.replace('"format": 1', '"format": 2')));
    expect(result).toMatchObject({ name: 'IdentityRefused', problem: 'unsupported' });
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
