// The verdicts: which losses are excused, and what is said of the others.

import { describe, expect, it } from 'vitest';

import { differingKeys } from '../../../../scripts/failure-injection/hostile-operator/copies.ts';
import { ownerOf } from '../../../../scripts/failure-injection/hostile-operator/fleet-seen.ts';
import type { Write } from '../../../../scripts/failure-injection/hostile-operator/ledger.ts';
import { parseCluster } from '../../../../scripts/failure-injection/hostile-operator/operator-api.ts';
import {
  type ActionReport,
  describeExcused,
  excuseAfterReturn,
  excuseBefore,
  excuseOf,
  judge,
} from '../../../../scripts/failure-injection/hostile-operator/verdicts.ts';

const DEATH = excuseBefore('death', 'a', { fromMs: 10_000, toMs: 10_050 });

function write(atMs: number, node = 'a'): Write {
  return { key: 'k', value: 3, previous: 2, atMs, node };
}

function report(found: Partial<ActionReport>): ActionReport {
  return {
    kind: 'kill-master',
    text: 'kill-master: a',
    beganMs: 10_000,
    endedMs: 15_000,
    excuses: [],
    lost: [],
    differing: [],
    unsettled: null,
    ...found,
  };
}

describe('losses', () => {
  it('are excused in the second and a half before the death of the master that acknowledged them', () => {
    expect(excuseOf(write(8500), [DEATH])).toBe(DEATH);
    expect(excuseOf(write(10_020), [DEATH])).toBe(DEATH);
  });

  it('are not excused earlier, later, or by the death of another node', () => {
    expect(excuseOf(write(8499), [DEATH])).toBeNull();
    expect(excuseOf(write(10_051), [DEATH])).toBeNull();
    expect(excuseOf(write(9900, 'b'), [DEATH])).toBeNull();
  });

  it('are excused in the second and a half after a replaced master is back', () => {
    const back = excuseAfterReturn('a', 20_000);
    expect(excuseOf(write(21_500), [DEATH, back])).toBe(back);
    expect(excuseOf(write(21_501), [DEATH, back])).toBeNull();
  });
});

describe('a run', () => {
  it('without a loss outside the windows has no problem', () => {
    const judged = judge({ actions: [report({ lost: [write(9000)], excuses: [DEATH] })], timeline: [] });
    expect(judged).toMatchObject({ problems: [], lostCount: 0, excused: { death: 1, hang: 0 } });
    expect(describeExcused(judged.excused)).toBe('death 1');
    expect(judged.table[1]).toEqual(['kill-master', '1', '0', '1', '0', '0']);
  });

  it('tells losses with their node, their time and what happened around them', () => {
    const timeline = [
      { atMs: 100, text: 'long before' },
      { atMs: 6000, text: 'shortly before' },
      { atMs: 10_000, text: 'the death' },
      { atMs: 16_000, text: 'later' },
    ];
    const { problems, lostCount } = judge({
      actions: [report({ lost: [write(8000), write(9000)], excuses: [DEATH] })],
      timeline,
    });
    expect(lostCount).toBe(1);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('1 acknowledged writes are gone after "kill-master: a"');
    expect(problems[0]).toContain('acknowledged by a from +8.000s to +8.000s; the first: k = 3');
    expect(problems[0]).toContain('+6.000s  shortly before');
    expect(problems[0]).not.toContain('long before');
    expect(problems[0]).not.toContain('later');
  });

  it('does not excuse what was still there after the action that would have excused it', () => {
    const actions = [report({ excuses: [DEATH] }), report({ kind: 'cut', lost: [write(9000)] })];
    expect(judge({ actions, timeline: [] })).toMatchObject({ lostCount: 1, excused: { death: 0 } });
  });

  it('tells copies that differ and states that do not settle', () => {
    const difference = { master: 'm', replica: 'r', keyCount: 4, examples: ['k is 1 and not 2'] };
    const { problems, table } = judge({
      actions: [
        report({ differing: [difference] }),
        report({ kind: 'cut', unsettled: 'the link of r is down' }),
      ],
      timeline: [],
    });
    expect(problems).toEqual([
      'r differs from its master m in 4 keys after "kill-master: a": k is 1 and not 2',
      'unsettled after "kill-master: a": the link of r is down',
    ]);
    expect(table.slice(1)).toEqual([
      ['cut', '1', '0', '0', '0', '1'],
      ['kill-master', '1', '0', '0', '4', '0'],
    ]);
  });
});

describe('copies', () => {
  it('differ in keys of one side and in values', () => {
    const original = new Map([
      ['same', '1'],
      ['other', '1'],
      ['missing', '1'],
    ]);
    const copy = new Map([
      ['same', '1'],
      ['other', '2'],
      ['foreign', '1'],
    ]);
    expect(differingKeys(original, copy)).toEqual(['other', 'missing', 'foreign']);
  });
});

describe('the cluster as the API shows it', () => {
  const shown = {
    version: 3,
    shards: [
      {
        nodes: [
          { id: 'x', addr: 'h:1', role: 'slave', password: '' },
          { id: 'y', addr: 'h:2', role: 'master', password: '' },
        ],
        slot_ranges: ['0-5', '7'],
        migrating_slot: '0-3',
      },
      { nodes: [{ id: 'z', addr: 'h:3', role: 'master' }], slot_ranges: null, migrating_slot: -1 },
    ],
  };

  it('is read with its masters, ranges and migrations', () => {
    const cluster = parseCluster(JSON.stringify({ data: { cluster: shown } }));
    expect(cluster?.shards[0]).toMatchObject({
      master: { address: 'h:2' },
      replicas: [{ id: 'x' }],
      ranges: [
        { start: 0, stop: 5 },
        { start: 7, stop: 7 },
      ],
      migrating: '0-3',
    });
    expect(cluster?.shards[1]).toMatchObject({ ranges: [], migrating: null });
    expect(cluster === null ? null : ownerOf(cluster, 7)?.index).toBe(0);
    expect(cluster === null ? null : ownerOf(cluster, 6)).toBeNull();
  });

  it('is not read in another shape, or with a shard without a master', () => {
    expect(parseCluster('{"data":{}}')).toBeNull();
    const [first] = shown.shards;
    const headless = { ...first, nodes: first?.nodes.filter(({ role }) => role === 'slave') };
    expect(
      parseCluster(JSON.stringify({ data: { cluster: { version: 1, shards: [headless] } } })),
    ).toBeNull();
  });
});
