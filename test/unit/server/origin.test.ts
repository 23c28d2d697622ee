// Whether a configuration is meant for a data directory, and whether its member can be found and cannot be founded twice.

import { describe, expect, test } from 'vitest';

import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { problemText } from '../../../src/config/place.ts';
import { clusterId, foundingClusterId } from '../../../src/raft/cluster-id.ts';
import { foundingMembership } from '../../../src/raft/core/membership.ts';
import { memberId, type Membership } from '../../../src/raft/core/types.ts';
import {
  checkFoundingPeers,
  checkOwnAddress,
  loneFounderRisk,
  type RecordedGroup,
} from '../../../src/server/origin.ts';

const [A, B, C, MOVED] = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3', '127.0.0.1:9'];

function config(address: string, peers: readonly string[], clusterState = 'new'): Config {
  const flags = [
    `addr=${address}`,
    `raft.peers=${peers.join(',')}`,
    `raft.cluster_state=${clusterState}`,
    'raft.data_dir=/data/1',
  ];
  const loaded = loadConfig({ file: null, environment: {}, flags });
  if (!loaded.ok) throw new Error(loaded.error.map(problemText).join('\n'));
  return loaded.value.config;
}

function members(...addresses: readonly string[]): Membership {
  return foundingMembership(new Map(addresses.map((address, index) => [memberId(index + 1), address])));
}

function recorded(membership: Membership, founders: readonly string[], isFounded = true): RecordedGroup {
  return { clusterId: foundingClusterId(founders), membership, isFounded };
}

describe('a member whose group knows it at another address', () => {
  test('does not start; alone it is told to take a backup along', () => {
    const group = recorded(members(A), [A]);
    // The list of the moved member is another one, but that is not what is wrong.
    expect(checkFoundingPeers(config(MOVED, [MOVED]), group).ok).toBe(true);
    const checked = checkOwnAddress(config(MOVED, [MOVED]), group);
    if (checked.ok) throw new Error('it was let through');
    expect(checked.error).toContain('data directory /data/1: its group knows member 1 at 127.0.0.1:1');
    expect(checked.error).toContain('correct raft.data_dir, or start it with advertise_addr: "127.0.0.1:1"');
    expect(checked.error).toContain('--restore');
    expect(checked.error).not.toContain('\n');
  });

  test.each([
    ['new', [MOVED, B, C], [A, B, C]],
    ['new', [MOVED], [A]],
    ['existing', [B, C], [A, B, C]],
  ])(
    'does not start as %s with %j beside others; it is told to come back as another',
    (state, peers, founders) => {
      const group = recorded(members(A, B, C), founders);
      expect(checkFoundingPeers(config(MOVED, peers, state), group).ok).toBe(true);
      const checked = checkOwnAddress(config(MOVED, peers, state), group);
      if (checked.ok) throw new Error('it was let through');
      expect(checked.error).toContain('under a number that was never used');
      expect(checked.error).toContain('remove member 1 once the new one is a voter');
      expect(checked.error).not.toContain('--restore');
    },
  );

  test('is not one that is where it is recorded, nor one that nobody has recorded yet', () => {
    expect(checkOwnAddress(config(A, [A, B, C]), recorded(members(A, B, C), [A, B, C])).ok).toBe(true);
    expect(checkOwnAddress(config(MOVED, [B, C], 'existing'), recorded(members(), [])).ok).toBe(true);
  });
});

describe('a data directory of another group', () => {
  test('is told by its members, not by its name', () => {
    const restored = { ...recorded(members(A), []), clusterId: clusterId('f'.repeat(32)) };
    expect(checkFoundingPeers(config(A, [A, B, C]), restored).ok).toBe(true);
    const checked = checkFoundingPeers(config(MOVED, [MOVED, B]), recorded(members(A, C), [A, C]));
    expect(checked).toEqual({ ok: false, error: expect.stringContaining('it belongs to another group') });
  });
});

describe('a founding list of one member', () => {
  test('is warned of when it founds: an emptied disk would found the group again', () => {
    const risk = loneFounderRisk(config(A, [A]), recorded(members(A), [A], false));
    expect(risk).toContain('once others have joined, set raft.cluster_state: existing');
  });

  test('is warned of again once others have joined, with what to write', () => {
    const risk = loneFounderRisk(config(A, [A]), recorded(members(A, B, C), [A]));
    expect(risk).toContain(
      'set raft.cluster_state: existing here and raft.peers: ["127.0.0.1:2","127.0.0.1:3"]',
    );
  });

  test.each<[string, Config, RecordedGroup]>([
    ['while nobody has joined', config(A, [A]), recorded(members(A), [A])],
    ['once it joins', config(A, [B, C], 'existing'), recorded(members(A, B, C), [A])],
    ['of three', config(A, [A, B, C]), recorded(members(A, B, C), [A, B, C], false)],
  ])('is nothing to warn of %s', (_when, configured, group) => {
    expect(loneFounderRisk(configured, group)).toBeNull();
  });
});
