import { describe, expect, test } from 'vitest';

import { hintAt, nearest } from '../../../src/base/nearest.ts';

const FAILOVER = ['preferred_node_id', 'force', 'dry_run'];

describe('the word that was meant', () => {
  test.each([
    ['preferred', FAILOVER, 'preferred_node_id'],
    ['forced', FAILOVER, 'force'],
    ['frce', FAILOVER, 'force'],
    ['dryRun', FAILOVER, 'dry_run'],
    ['slotonly', ['slot', 'slot_only'], 'slot_only'],
    ['slots', ['slot_only', 'slot'], 'slot'],
    ['node', ['peer', 'node_id', 'nodes'], 'nodes'],
    ['hooks', ['name', 'webhooks'], 'webhooks'],
    ['op', ['id', 'operation'], 'operation'],
    ['passwd', ['addr', 'password', 'zone'], 'password'],
  ])('%s among %j is %s', (text, known, meant) => {
    expect(nearest(text, known)).toBe(meant);
  });

  test.each([
    ['candidate', FAILOVER],
    ['once', FAILOVER],
    ['f', FAILOVER],
    ['', FAILOVER],
    ['target', ['to']],
    ['x'.repeat(1_000_000), FAILOVER],
    ['force', []],
  ])('none that is not near is offered', (text, known) => {
    expect(nearest(text, known)).toBeNull();
  });

  test('is offered, or all there are', () => {
    expect(hintAt('idd', ['id', 'peers'], 'raft.')).toBe('did you mean "raft.id"?');
    expect(hintAt('zzz', ['id', 'peers'], 'raft.')).toBe('known are "raft.id", "raft.peers"');
  });
});
