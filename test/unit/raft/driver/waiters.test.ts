// Proposals and reads: one record each, one outcome each.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { logIndex, term } from '../../../../src/raft/core/types.ts';
import type { RaftDriver } from '../../../../src/raft/driver.ts';
import type { ProposalOutcome, ReadOutcome } from '../../../../src/raft/outcome.ts';
import { ProposalTable } from '../../../../src/raft/proposals.ts';
import { ReadTable } from '../../../../src/raft/reads.ts';
import type { Consensus } from '../../../../src/store/types.ts';

const LIMITS = { proposalsMax: 8, proposalBytesMax: 100, entryBytesMax: 50 };

function ids(): () => number {
  let last = 0;
  return () => {
    last += 1;
    return last;
  };
}

/** Compiles only while the driver has the shape that the store asks for. */
export function asConsensus(driver: RaftDriver): Consensus {
  return driver;
}

describe('proposals', () => {
  it('have exactly one outcome, whatever happens to them in whatever order', () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), bytes: fc.nat(60), fence: fc.option(fc.nat(3)) }),
      fc.record({
        kind: fc.constant('step' as const),
        term: fc.option(fc.nat(3)),
        refuse: fc.boolean(),
        countMax: fc.integer({ min: 1, max: 4 }),
      }),
      fc.record({ kind: fc.constant('apply' as const), sameTerm: fc.boolean() }),
      fc.record({ kind: fc.constantFrom('drain' as const, 'drainPlaced' as const, 'refuse' as const) }),
      fc.record({ kind: fc.constant('expire' as const), nowMs: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const table = new ProposalTable(LIMITS, ids());
        const outcomes: ProposalOutcome[][] = [];
        let last = 0;
        let applied = 0;
        actions.forEach((act, at) => {
          switch (act.kind) {
            case 'add': {
              const mine: ProposalOutcome[] = [];
              const request = { data: Buffer.alloc(act.bytes), fence: act.fence, expiresMs: at % 15 };
              if (table.add({ ...request, done: (outcome) => void mine.push(outcome) }) === null)
                outcomes.push(mine);
              break;
            }
            case 'step':
              for (const { id } of table.takeQueued(act.term, act.countMax)) {
                if (act.refuse) {
                  table.refused(id, 'overloaded');
                } else {
                  last += 1;
                  table.accepted(id, { index: logIndex(last), term: term(2) });
                }
              }
              break;
            case 'apply':
              if (applied < last) {
                applied += 1;
                const entryTerm = term(act.sameTerm ? 2 : 3);
                table.applied(
                  { index: logIndex(applied), term: entryTerm, kind: 'command', data: Buffer.of() },
                  applied,
                );
              }
              break;
            case 'drain':
              table.drain('test');
              break;
            case 'drainPlaced':
              table.drainPlaced(logIndex(Math.max(0, last - 2)), 'test');
              break;
            case 'refuse':
              table.refuseQueued('noSpace');
              break;
            case 'expire':
              table.expire(act.nowMs);
              break;
          }
          expect(outcomes.every((mine) => mine.length <= 1)).toBe(true);
          expect(table.size).toBe(outcomes.filter((mine) => mine.length === 0).length);
          expect(table.size).toBeLessThanOrEqual(LIMITS.proposalsMax);
        });
        table.drain('end');
        expect(outcomes.every((mine) => mine.length === 1)).toBe(true);
        // All bytes came back: the largest proposal fits again.
        const largest = { data: Buffer.alloc(50), fence: null, expiresMs: 0, done: () => undefined };
        expect([table.add(largest), table.add(largest)]).toEqual([null, null]);
        expect(table.add(largest)).toBe('tooMuchWaiting');
      }),
    );
  });

  it('drained before they reached the log certainly never happen; those in the log are unknown', () => {
    const table = new ProposalTable(LIMITS, ids());
    const outcomes: ProposalOutcome[] = [];
    const add = (): string | null =>
      table.add({
        data: Buffer.of(1),
        fence: null,
        expiresMs: 9,
        done: (outcome) => void outcomes.push(outcome),
      });
    add();
    const [first] = table.takeQueued(null, 9);
    table.accepted(first!.id, { index: logIndex(1), term: term(1) });
    add();
    table.drain('closing');
    expect(outcomes).toEqual([
      { ok: false, error: { kind: 'unknown', reason: 'closing' } },
      { ok: false, error: { kind: 'notLeader' } },
    ]);
  });

  it('whose place was taken by another entry are never answered with its result', () => {
    const table = new ProposalTable(LIMITS, ids());
    const outcomes: ProposalOutcome[] = [];
    table.add({
      data: Buffer.of(1),
      fence: null,
      expiresMs: 9,
      done: (outcome) => void outcomes.push(outcome),
    });
    const [first] = table.takeQueued(null, 9);
    table.accepted(first!.id, { index: logIndex(1), term: term(1) });
    table.applied({ index: logIndex(1), term: term(2), kind: 'command', data: Buffer.of() }, 'of another');
    expect(outcomes).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
  });
});

describe('reads', () => {
  const collect = (table: ReadTable, expiresMs = 100): ReadOutcome[] => {
    const outcomes: ReadOutcome[] = [];
    table.add({ expiresMs, done: (outcome) => void outcomes.push(outcome) });
    return outcomes;
  };

  it('of one turn share a round; one that comes later does not join it', () => {
    const table = new ReadTable(10);
    const early = [collect(table), collect(table)];
    const round = table.startRound(term(1));
    const late = collect(table);
    table.ready(round!, logIndex(5));
    table.answer(logIndex(5), term(1));
    expect(early.map((outcomes) => outcomes.length)).toEqual([1, 1]);
    expect(late).toEqual([]);
    expect(table.size).toBe(1);
  });

  it('wait until the index is applied, and are refused when the term changed meanwhile', () => {
    const table = new ReadTable(10);
    const outcomes = collect(table);
    table.ready(table.startRound(term(1))!, logIndex(5));
    table.answer(logIndex(4), term(1));
    expect(outcomes).toEqual([]);
    table.answer(logIndex(5), term(2));
    expect(outcomes).toEqual([{ ok: false, error: { kind: 'notLeader' } }]);
  });

  it('are bounded, expire as unknown, and are drained as refused', () => {
    const table = new ReadTable(2);
    const short = collect(table, 10);
    const long = collect(table, 100);
    expect(table.add({ expiresMs: 1, done: () => undefined })).toBe(false);
    table.startRound(term(1));
    table.expire(10);
    expect(short).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    table.drain();
    expect(long).toEqual([{ ok: false, error: { kind: 'notLeader' } }]);
    expect(table.size).toBe(0);
  });
});
