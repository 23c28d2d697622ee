// Hand-overs that nobody recorded are told from old ones by how both ends serve the slots now.

import { describe, expect, test } from 'vitest';

import {
  type HandOverVerdict,
  type Jobs,
  judgeHandOver,
  runningJob,
  type SlotService,
  suspectedHandOvers,
} from '../../../src/control/imported-hand-over.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { printSlotRange, slotRange } from '../../../src/topology/slot.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { nodeIdAt, sampleCluster } from '../topology/arbitrary.ts';

const CLUSTER = sampleCluster(3, 2);
const [A, B, C] = CLUSTER.shards.map((shard) => masterOf(shard));
const NONE: Jobs = { sourceJob: null, targetJob: null };

function jobs(of: Readonly<Record<string, Partial<Jobs>>>): ReadonlyMap<NodeId, Jobs> {
  return new Map(
    CLUSTER.shards.map((shard) => {
      const { id } = masterOf(shard);
      return [id, { ...NONE, ...of[id] }];
    }),
  );
}

function texts(of: ReadonlyMap<NodeId, Jobs>): readonly string[] {
  return suspectedHandOvers(CLUSTER, of).map(
    ({ range, source, target }) =>
      `${printSlotRange(range)} ${source.address} ${target?.address ?? 'nobody'}`,
  );
}

describe('a suspicion', () => {
  const range = slotRange(10, 20);
  const success = { range, state: 'success' } as const;

  test('is raised once by what either end remembers of slots that the source still owns', () => {
    const moved = { sourceJob: { ...success, isInEffect: null, destination: B!.id } };
    expect(texts(jobs({ [A!.id]: moved }))).toEqual([`10-20 ${A!.address} ${B!.address}`]);
    expect(texts(jobs({ [A!.id]: moved, [B!.id]: { targetJob: success } }))).toEqual([
      `10-20 ${A!.address} ${B!.address}`,
    ]);
    expect(texts(jobs({ [C!.id]: { targetJob: success } }))).toEqual([`10-20 ${A!.address} ${C!.address}`]);
    const stranger = { sourceJob: { ...success, isInEffect: null, destination: nodeIdAt(CLUSTER, 1, 1) } };
    expect(texts(jobs({ [A!.id]: stranger }))).toEqual([`10-20 ${A!.address} nobody`]);
  });

  test('is not raised by jobs that failed or whose slots are where they went', () => {
    const failed = { sourceJob: { range, destination: B!.id, state: 'fail', isInEffect: null } } as const;
    expect(texts(jobs({ [A!.id]: failed }))).toEqual([]);
    expect(
      texts(jobs({ [B!.id]: { sourceJob: { ...success, isInEffect: null, destination: A!.id } } })),
    ).toEqual([]);
    expect(texts(jobs({ [A!.id]: { targetJob: success } }))).toEqual([]);
    expect(texts(new Map())).toEqual([]);
  });

  test('comes after a running job, which is waited for', () => {
    const running = { range, state: 'start' } as const;
    expect(runningJob(CLUSTER, jobs({}))).toBeNull();
    expect(
      runningJob(
        CLUSTER,
        jobs({ [A!.id]: { sourceJob: { ...running, isInEffect: null, destination: B!.id } } }),
      ),
    ).toBe(`node ${A!.address} is moving the slots 10-20 away; wait until that has ended`);
    expect(runningJob(CLUSTER, jobs({ [B!.id]: { targetJob: running } }))).toContain(
      'taking the slots 10-20 over',
    );
  });
});

describe('the verdict', () => {
  const served: SlotService = { kind: 'served' };
  const forbidden: SlotService = { kind: 'writeForbidden' };
  const refused: SlotService = { kind: 'refused', reason: 'CLUSTERDOWN' };
  const toTarget: SlotService = { kind: 'moved', to: B!.address };
  const toSource: SlotService = { kind: 'moved', to: A!.address };
  const elsewhere: SlotService = { kind: 'moved', to: null };
  const suspect = { range: slotRange(10, 20), source: A!, target: B! };
  type Row = readonly [SlotService | null, SlotService | null, HandOverVerdict['kind']];
  const rows: readonly Row[] = [
    // The source gave them away, the target has them; or forgot that it has, in a restart.
    [toTarget, served, 'handedOver'],
    [toTarget, toSource, 'handedOver'],
    [toTarget, null, 'unclear'],
    [toTarget, refused, 'unclear'],
    [elsewhere, served, 'unclear'],
    // Undone, or of an earlier move.
    [served, toSource, 'standing'],
    [forbidden, toSource, 'standing'],
    [served, null, 'standing'],
    [null, toSource, 'standing'],
    [null, null, 'standing'],
    // The source forgot, in a restart: both take writes.
    [served, served, 'unclear'],
    [null, served, 'unclear'],
  ];

  test.each(rows)(
    'KC1b: of a source that says %j and a target that says %j is %s',
    (source, target, kind) => {
      expect(judgeHandOver(suspect, { source, target }).kind).toBe(kind);
    },
  );

  test('KC1b: names the call that settles a slot with two owners', () => {
    expect(judgeHandOver(suspect, { source: served, target: served })).toMatchObject({
      why: expect.stringContaining('CLUSTERX SETSLOT 10-20 NODE <id> <version + 1>'),
    });
  });

  test('on slots that went to a node that is no master here is open', () => {
    expect(judgeHandOver({ ...suspect, target: null }, { source: toTarget, target: null }).kind).toBe(
      'unclear',
    );
    expect(judgeHandOver({ ...suspect, target: null }, { source: served, target: null }).kind).toBe(
      'standing',
    );
  });
});
