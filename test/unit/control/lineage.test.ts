import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { type CopyPlace, type CopyReport, historyOf } from '../../../src/control/lineage.ts';
import { type NodeFacts, type Promotion, type ShardFacts, UNSEEN_NODE } from '../../../src/topology/facts.ts';
import { masterOf, parseClusterVersion } from '../../../src/topology/cluster.ts';
import type { NodeAddress, NodeId } from '../../../src/topology/types.ts';
import { sampleCluster, valueOf } from '../topology/arbitrary.ts';

const NODES = sampleCluster(1, 4).shards[0]!.nodes;
const ID = (index: number): NodeId => NODES[index]!.id;
const ADDRESS = (index: number): NodeAddress => NODES[index]!.address;
const addressOf = (id: NodeId): NodeAddress | null => NODES.find((node) => node.id === id)?.address ?? null;

function promotion(from: number, to: number, version: number, sequence: number | null): Promotion {
  return {
    from: ID(from),
    to: ID(to),
    version: valueOf(parseClusterVersion(version)),
    sequence,
    term: 1,
    atSeconds: 1,
    isConfirmed: true,
  };
}

function shard(promotions: readonly Promotion[], sinceVersion = 1): ShardFacts {
  return { sinceVersion: valueOf(parseClusterVersion(sinceVersion)), promotions };
}

/** Node 0 was the first master, node 1 took over at version 3 with 100 numbers of its history. */
const TAKEN_OVER = shard([promotion(0, 1, 3, 100)]);

function placeOf(index: number, facts: ShardFacts, node: NodeFacts = UNSEEN_NODE): CopyPlace {
  const present = facts.promotions.at(-1)?.to ?? masterOf(sampleCluster(1, 4).shards[0]!).id;
  const masterAddress = addressOf(present);
  if (masterAddress === null) throw new Error('the master is not in the shard');
  return { id: ID(index), facts: node, shard: facts, masterAddress, addressOf, isCondemned: () => false };
}

function master(version: number, sequence: number | null): CopyReport {
  return { version, role: 'master', master: null, sequence };
}

function replica(version: number, of: number, sequence: number | null): CopyReport {
  return { version, role: 'replica', master: ADDRESS(of), sequence };
}

function seen(sequence: number, following: number | null): NodeFacts {
  return { ...UNSEEN_NODE, sequence, following: following === null ? null : ID(following), seenAtSeconds: 1 };
}

test('KA2b: only a node at sequence 0 is empty: without keys and topology it still continues from its old number', () => {
  expect(historyOf(master(-1, 0), placeOf(2, TAKEN_OVER))).toEqual({ kind: 'empty' });
  const used = historyOf(master(-1, 201), placeOf(2, TAKEN_OVER));
  expect(used).toMatchObject({ kind: 'unknown', why: expect.stringContaining('sequence 201') });
});

test('a position that is not known, or cannot be, proves nothing', () => {
  for (const sequence of [null, -5]) {
    expect(historyOf(replica(3, 1, sequence), placeOf(2, TAKEN_OVER)).kind).toBe('unknown');
    expect(historyOf(master(-1, sequence), placeOf(2, TAKEN_OVER)).kind).toBe('unknown');
  }
});

test('a replica of the present master at the present topology belongs to it', () => {
  expect(historyOf(replica(3, 1, 5000), placeOf(2, TAKEN_OVER))).toEqual({ kind: 'current' });
  expect(historyOf(replica(7, 1, 0), placeOf(2, TAKEN_OVER))).toEqual({ kind: 'current' });
});

test('KA7: an old master is a prefix up to the position of its successor and has diverged above it', () => {
  expect(historyOf(master(2, 100), placeOf(0, TAKEN_OVER))).toEqual({ kind: 'prefix' });
  expect(historyOf(master(2, 101), placeOf(0, TAKEN_OVER))).toMatchObject({
    kind: 'diverged',
    why: expect.stringContaining('up to 1 numbers are its own'),
  });
});

test('a replica of the old master is judged in the same way', () => {
  expect(historyOf(replica(2, 0, 100), placeOf(2, TAKEN_OVER))).toEqual({ kind: 'prefix' });
  expect(historyOf(replica(2, 0, 120), placeOf(2, TAKEN_OVER)).kind).toBe('diverged');
  const ofCondemned = { ...placeOf(2, TAKEN_OVER), isCondemned: (id: NodeId) => id === ID(0) };
  expect(historyOf(replica(2, 0, 100), ofCondemned).kind).toBe('unknown');
});

test('whoever was neither the master of that time nor a replica of it is unknown', () => {
  for (const report of [master(2, 50), replica(2, 3, 50), { ...master(2, 50), master: ADDRESS(0) }]) {
    expect(historyOf(report, placeOf(2, TAKEN_OVER)).kind).toBe('unknown');
  }
});

test('a master of its own, or a replica of another, under the present topology is unknown', () => {
  expect(historyOf(master(3, 50), placeOf(2, TAKEN_OVER)).kind).toBe('unknown');
  expect(historyOf(replica(3, 0, 50), placeOf(2, TAKEN_OVER)).kind).toBe('unknown');
  expect(historyOf({ ...replica(3, 0, 50), master: null }, placeOf(2, TAKEN_OVER)).kind).toBe('unknown');
});

test('a topology from before what is remembered of the shard proves nothing', () => {
  expect(historyOf(master(4, 10), placeOf(0, shard([promotion(0, 1, 9, 100)], 5))).kind).toBe('unknown');
  expect(historyOf(master(5, 10), placeOf(0, shard([promotion(0, 1, 9, 100)], 5))).kind).toBe('prefix');
});

test('a promotion by force at an unknown position makes nobody a prefix', () => {
  expect(historyOf(master(2, 1), placeOf(0, shard([promotion(0, 1, 3, null)]))).kind).toBe('unknown');
});

test('every promotion since then counts: a prefix of the first successor may have more than the second', () => {
  const twice = shard([promotion(0, 1, 3, 100), promotion(1, 2, 4, 80)]);
  expect(historyOf(master(2, 90), placeOf(0, twice)).kind).toBe('diverged');
  expect(historyOf(master(2, 80), placeOf(0, twice)).kind).toBe('prefix');
  expect(historyOf(replica(3, 1, 90), placeOf(3, twice)).kind).toBe('diverged');
});

test('a node without a topology, unmoved since it was last seen, is what it was then', () => {
  expect(historyOf(master(-1, 90), placeOf(2, TAKEN_OVER, seen(90, 1)))).toEqual({ kind: 'current' });
  expect(historyOf(master(-1, 90), placeOf(2, TAKEN_OVER, seen(90, 0)))).toEqual({ kind: 'prefix' });
  expect(historyOf(master(-1, 120), placeOf(0, TAKEN_OVER, seen(120, 0))).kind).toBe('diverged');
});

test('a node without a topology that moved, was not linked, or followed somebody forgotten is unknown', () => {
  expect(historyOf(master(-1, 91), placeOf(2, TAKEN_OVER, seen(90, 1))).kind).toBe('unknown');
  expect(historyOf(master(-1, 90), placeOf(2, TAKEN_OVER, seen(90, null))).kind).toBe('unknown');
  expect(historyOf(master(-1, 90), placeOf(2, TAKEN_OVER, seen(90, 3))).kind).toBe('unknown');
});

test('a node without a topology is compared with every promotion since the first time its master led', () => {
  const back = shard([promotion(0, 1, 3, 90), promotion(1, 0, 4, 95), promotion(0, 2, 5, 150)]);
  expect(historyOf(master(-1, 100), placeOf(3, back, seen(100, 0))).kind).toBe('diverged');
  expect(historyOf(master(-1, 90), placeOf(3, back, seen(90, 0))).kind).toBe('prefix');
});

/** A shard whose nodes have logs of unique numbers: what the rule is about. */
class ShardOfLogs {
  readonly nodes = NODES.map((_, index) => ({
    log: new Array<number>(),
    report: index === 0 ? master(1, 0) : replica(1, 0, 0),
    facts: UNSEEN_NODE,
  }));
  facts = shard([]);
  version = 1;
  leader = 0;
  #next = 0;

  history(index: number): ReturnType<typeof historyOf> {
    const { log, report, facts } = this.nodes[index]!;
    return historyOf({ ...report, sequence: log.length }, placeOf(index, this.facts, facts));
  }

  /** Whether the node's copy is a beginning of its master's, if the rule says that it may follow at once. */
  isRight(index: number): boolean {
    const { kind } = this.history(index);
    if (index === this.leader || kind === 'diverged' || kind === 'unknown') return true;
    const { log } = this.nodes[this.leader]!;
    return this.nodes[index]!.log.every((write, at) => log[at] === write);
  }

  /** Whoever takes itself for a master with a topology takes writes, also one that was replaced. */
  write(index: number): void {
    const { log, report } = this.nodes[index]!;
    if (report.role !== 'master' || report.version < 0) return;
    this.#next += 1;
    log.push(this.#next);
  }

  /** PSYNC compares numbers only (facts section 3.5). */
  replicate(index: number): void {
    const node = this.nodes[index]!;
    const source = this.nodes.find((_, other) => ADDRESS(other) === node.report.master);
    if (node.report.role !== 'replica' || source === undefined) return;
    if (node.log.length > source.log.length) node.log.splice(0);
    node.log.push(...source.log.slice(node.log.length));
  }

  promote(index: number): void {
    const { log, report } = this.nodes[index]!;
    if (index === this.leader || this.history(index).kind !== 'current') return;
    if (report.master !== ADDRESS(this.leader)) return;
    this.version += 1;
    const next = promotion(this.leader, index, this.version, log.length);
    this.facts = { ...this.facts, promotions: [...this.facts.promotions, next] };
    this.nodes[index]!.report = master(this.version, 0);
    this.leader = index;
  }

  /** The node is given its role if the rule lets it. */
  rejoin(index: number): void {
    const { kind } = this.history(index);
    if (index === this.leader) this.nodes[index]!.report = master(this.version, 0);
    else if (kind !== 'diverged' && kind !== 'unknown') {
      this.nodes[index]!.report = replica(this.version, this.leader, 0);
    }
  }

  note(index: number): void {
    const { log, report } = this.nodes[index]!;
    const isInPlace = report.version === this.version;
    if (isInPlace) this.nodes[index]!.facts = seen(log.length, this.leader);
  }

  /** Restarted without its topology, as with "persist-cluster-nodes-enabled no". */
  forget(index: number): void {
    this.nodes[index]!.report = master(-1, 0);
  }
}

const STEPS = [
  'write',
  'write',
  'write',
  'replicate',
  'replicate',
  'promote',
  'rejoin',
  'note',
  'forget',
] as const;

test('whatever happened to a shard: what may follow its master at once has nothing that the master lacks', () => {
  const step = fc.tuple(fc.constantFrom(...STEPS), fc.nat(NODES.length - 1));
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
      const model = new ShardOfLogs();
      for (const [kind, index] of steps) {
        if (kind === 'rejoin') expect(model.isRight(index)).toBe(true);
        model[kind](index);
      }
      expect(model.nodes.every((_, index) => model.isRight(index))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
