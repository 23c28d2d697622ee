import { describe, expect, test } from 'vitest';
import { Progress } from '../../../../src/raft/core/progress.ts';
import { logIndex, memberId } from '../../../../src/raft/core/types.ts';

function fresh(next = 11): Progress {
  return new Progress(memberId(2), logIndex(next), 0);
}

function accepted(progress: Progress, matched: number, base = 0): boolean {
  return progress.accepted(logIndex(matched), logIndex(base));
}

function rejected(progress: Progress, probed: number, meeting: number): boolean {
  return progress.rejected(logIndex(probed), logIndex(meeting));
}

/** A follower known up to `match` with requests under way that end at `inflight`. */
function streaming(match: number, ...inflight: readonly number[]): Progress {
  const progress = fresh(match + 1);
  accepted(progress, match);
  for (const last of inflight) progress.sent(logIndex(last));
  return progress;
}

describe('Progress', () => {
  test('S32: probes with one request at a time, then streams', () => {
    const progress = fresh();
    expect(progress.state).toEqual({ kind: 'probe', awaiting: false });
    progress.sent(logIndex(12));
    expect(progress.state).toEqual({ kind: 'probe', awaiting: true });
    expect(accepted(progress, 12)).toBe(true);
    expect(progress.state.kind).toBe('replicate');
    expect([progress.match, progress.next]).toEqual([12, 13]);
  });

  test('streaming runs ahead and frees its window as answers come, in any order', () => {
    const progress = streaming(10, 12, 14, 16);
    expect([progress.next, progress.inflightCount]).toEqual([17, 3]);
    accepted(progress, 14);
    expect(progress.inflightCount).toBe(1);
    expect(accepted(progress, 12)).toBe(false);
    expect(progress.match).toBe(14);
    accepted(progress, 16);
    expect(progress.inflightCount).toBe(0);
    progress.sent(null);
    expect(progress.inflightCount).toBe(0);
  });

  test('S26: a refused probe jumps to where the logs may meet', () => {
    const progress = fresh(101);
    progress.sent(null);
    expect(rejected(progress, 100, 40)).toBe(true);
    expect(progress.next).toBe(41);
    expect(progress.state).toEqual({ kind: 'probe', awaiting: false });
  });

  test('a refused probe always moves back, whatever the hint says', () => {
    const progress = fresh(101);
    progress.sent(null);
    expect(rejected(progress, 100, 100)).toBe(true);
    expect(progress.next).toBe(100);
  });

  test('S27: refusals that answer nothing outstanding, or contradict what is known, are stale', () => {
    const probing = fresh(101);
    expect(rejected(probing, 100, 40)).toBe(false);
    probing.sent(null);
    expect(rejected(probing, 99, 40)).toBe(false);
    const stream = streaming(10, 12);
    expect(rejected(stream, 10, 3)).toBe(false);
    expect(rejected(stream, 13, 3)).toBe(false);
    expect(stream.state.kind).toBe('replicate');
    const waiting = streaming(10);
    waiting.becomeSnapshot();
    expect(rejected(waiting, 12, 3)).toBe(false);
  });

  test('C10: next never falls to match', () => {
    const progress = streaming(10, 12, 14);
    expect(rejected(progress, 12, 3)).toBe(true);
    expect([progress.match, progress.next]).toEqual([10, 11]);
    expect(() => progress.becomeProbe(logIndex(10), false)).toThrow('above match');
  });

  test('a stale acceptance does not end a probe', () => {
    const progress = streaming(10);
    progress.becomeProbe(logIndex(11), true);
    accepted(progress, 9);
    expect(progress.state.kind).toBe('probe');
    accepted(progress, 10);
    expect(progress.state.kind).toBe('replicate');
  });

  test('S38, S39: an acceptance that the log reaches again ends the wait for a snapshot', () => {
    const progress = streaming(3);
    progress.becomeSnapshot();
    accepted(progress, 8, 10);
    expect(progress.state.kind).toBe('snapshot');
    accepted(progress, 10, 10);
    expect(progress.state.kind).toBe('replicate');
    expect(progress.next).toBe(11);
  });

  test('nothing is appended while a snapshot is under way', () => {
    const progress = streaming(3);
    progress.becomeSnapshot();
    expect(() => progress.sent(logIndex(4))).toThrow('snapshot is under way');
    expect(progress.inflightCount).toBe(0);
  });
});
