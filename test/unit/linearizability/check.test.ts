// The checker against histories whose verdict is known, and against the definition on random small ones.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { checkLinearizable, type Verdict } from '../../support/linearizability/check.ts';
import { explainVerdict } from '../../support/linearizability/explain.ts';
import type { Model, Operation } from '../../support/linearizability/history.ts';
import {
  existenceModel,
  type ExistenceInput,
  type ExistenceOutput,
  registerModel,
  type RegisterInput,
  type RegisterOutput,
} from '../../support/linearizability/models.ts';
import { isLinearizableByDefinition } from './brute-force.ts';

const BUDGET = { budget: 1_000_000 };

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;
type ExistenceOperation = Operation<ExistenceInput, ExistenceOutput>;

function operation<Input, Output>(
  interval: readonly [number, number | null],
  input: Input,
  output: Output | 'unknown',
  more: { readonly client?: number; readonly key?: string } = {},
): Operation<Input, Output> {
  return { client: 1, key: 'x', call: interval[0], return: interval[1], input, output, ...more };
}

function write(interval: readonly [number, number], value: string): RegisterOperation {
  return operation(interval, { kind: 'write', value }, { kind: 'ok' });
}

function lostWrite(call: number, value: string): RegisterOperation {
  return operation<RegisterInput, RegisterOutput>([call, null], { kind: 'write', value }, 'unknown');
}

function read(interval: readonly [number, number], value: string | null): RegisterOperation {
  return operation(interval, { kind: 'read' }, { kind: 'value', value });
}

function cas(
  interval: readonly [number, number],
  change: { readonly from: string | null; readonly to: string },
  kind: 'ok' | 'mismatch',
): RegisterOperation {
  return operation(interval, { kind: 'cas', expected: change.from, value: change.to }, { kind });
}

function verdictOf(
  history: readonly RegisterOperation[],
): Verdict<unknown, RegisterInput, RegisterOutput>['kind'] {
  return checkLinearizable(history, registerModel, BUDGET).kind;
}

describe('linearizable histories pass', () => {
  it('an empty history', () => {
    expect(verdictOf([])).toBe('linearizable');
  });

  it('a read that overlaps a write may see it or not', () => {
    expect(verdictOf([write([0, 10], 'a'), read([1, 2], null), read([3, 4], 'a')])).toBe('linearizable');
  });

  it('two overlapping writes may take effect in either order', () => {
    expect(verdictOf([write([0, 10], 'a'), write([0, 10], 'b'), read([11, 12], 'a')])).toBe('linearizable');
    expect(verdictOf([write([0, 10], 'a'), write([0, 10], 'b'), read([11, 12], 'b')])).toBe('linearizable');
  });

  it('a write of unknown outcome may show long after its client gave up', () => {
    expect(verdictOf([lostWrite(0, 'a'), read([5, 6], null), read([100, 101], 'a')])).toBe('linearizable');
  });

  it('an unknown outcome keeps its interval open although its client stopped waiting', () => {
    const timedOut = operation<RegisterInput, RegisterOutput>(
      [0, 3],
      { kind: 'write', value: 'a' },
      'unknown',
    );
    expect(verdictOf([timedOut, read([5, 6], null), read([8, 9], 'a')])).toBe('linearizable');
  });

  it('a write of unknown outcome may never take effect', () => {
    expect(verdictOf([lostWrite(0, 'a'), read([5, 6], null), read([100, 101], null)])).toBe('linearizable');
  });

  it('an answer at the moment of the next call counts as overlapping', () => {
    expect(verdictOf([write([0, 5], 'a'), read([5, 6], null)])).toBe('linearizable');
  });

  it('keys are independent', () => {
    const other = operation<RegisterInput, RegisterOutput>(
      [2, 3],
      { kind: 'read' },
      { kind: 'value', value: null },
      { key: 'y' },
    );
    expect(verdictOf([write([0, 1], 'a'), other, read([4, 5], 'a')])).toBe('linearizable');
  });
});

describe('histories without an explanation are violations', () => {
  it('a stale read', () => {
    expect(verdictOf([write([0, 1], 'a'), write([2, 3], 'b'), read([4, 5], 'a')])).toBe('violation');
  });

  it('a lost write', () => {
    expect(verdictOf([write([0, 1], 'a'), read([2, 3], null)])).toBe('violation');
  });

  it('a value nobody wrote', () => {
    expect(verdictOf([read([2, 3], 'a')])).toBe('violation');
  });

  it('a value from the future', () => {
    expect(verdictOf([read([0, 1], 'a'), write([2, 3], 'a')])).toBe('violation');
    expect(verdictOf([read([0, 1], 'a'), lostWrite(2, 'a')])).toBe('violation');
  });

  it('reads that go back although both overlap the write', () => {
    expect(verdictOf([write([0, 10], 'a'), read([1, 2], 'a'), read([3, 4], null)])).toBe('violation');
  });

  it('one write of unknown outcome that takes effect twice', () => {
    const history = [lostWrite(0, 'a'), read([1, 2], 'a'), write([3, 4], 'b'), read([5, 6], 'a')];
    expect(verdictOf(history)).toBe('violation');
    expect(verdictOf([lostWrite(0, 'a'), ...history])).toBe('linearizable');
  });

  it('two compare-and-sets that both won against the same value', () => {
    const history = [
      cas([0, 10], { from: null, to: 'a' }, 'ok'),
      cas([0, 10], { from: null, to: 'b' }, 'ok'),
    ];
    expect(verdictOf(history)).toBe('violation');
  });

  it('a compare-and-set refused although its value was there all the time', () => {
    expect(verdictOf([cas([0, 10], { from: null, to: 'a' }, 'mismatch')])).toBe('violation');
  });

  it('a namespace created twice without a delete between', () => {
    const history: ExistenceOperation[] = [
      operation([0, 1], 'create', 'created'),
      operation([2, 3], 'create', 'created'),
    ];
    expect(checkLinearizable(history, existenceModel, BUDGET).kind).toBe('violation');
    const between = operation<ExistenceInput, ExistenceOutput>([0, null], 'delete', 'unknown');
    expect(checkLinearizable([...history, between], existenceModel, BUDGET).kind).toBe('linearizable');
  });
});

describe('the window of a violation', () => {
  it('begins at the last moment of rest and names the answer that cannot be explained', () => {
    const history = [
      write([0, 1], 'a'),
      read([2, 3], 'a'),
      lostWrite(4, 'z'),
      write([10, 20], 'b'),
      read([12, 14], 'b'),
      read([15, 16], 'a'),
      read([30, 31], 'b'),
    ];
    const verdict = checkLinearizable(history, registerModel, BUDGET);
    expect(explainVerdict(verdict, registerModel)).toBe(
      [
        'not linearizable: key "x"',
        '  the last answers before:',
        '    client 1 [0, 1] write "a" -> ok',
        '    client 1 [2, 3] read -> "a"',
        '  so the state is "a"',
        '  begun before, outcome unknown; each may have taken effect at any time or never:',
        '    1x write "z" -> unknown, called at 4',
        '  client 1 [10, 20] write "b" -> ok',
        '  client 1 [12, 14] read -> "b"',
        '  client 1 [15, 16] read -> "a"   <- no order explains this',
      ].join('\n'),
    );
  });
});

describe('the budget', () => {
  it('exceeded is no pass', () => {
    const verdict = checkLinearizable([write([0, 1], 'a'), read([2, 3], 'a')], registerModel, { budget: 1 });
    expect(verdict).toEqual({ kind: 'budgetExceeded', key: 'x', steps: 1 });
    expect(explainVerdict(verdict, registerModel)).toContain('not decided: key "x"');
  });

  it('grows with the length of a history and not faster', () => {
    const history: ExistenceOperation[] = [];
    for (let round = 0; round < 1000; round += 1) {
      const at = round * 10;
      history.push(
        operation([at, at + 6], 'create', 'created', { client: 1 }),
        operation([at + 1, at + 7], 'get', 'present', { client: 2 }),
        operation([at + 2, at + 8], 'get', 'absent', { client: 3 }),
        operation([at + 3, at + 9], 'delete', 'deleted', { client: 4 }),
      );
      if (round % 10 === 0)
        history.push(
          operation<ExistenceInput, ExistenceOutput>(
            [at, null],
            round % 20 === 0 ? 'create' : 'delete',
            'unknown',
          ),
        );
    }
    expect(checkLinearizable(history, existenceModel, BUDGET).kind).toBe('linearizable');
  });
});

it('an ill-formed history is a mistake of its maker', () => {
  expect(() => verdictOf([read([3, 2], null)])).toThrow('returned before it was called');
  const unanswered = operation<RegisterInput, RegisterOutput>([0, null], { kind: 'read' }, { kind: 'ok' });
  expect(() => verdictOf([unanswered])).toThrow('never answered');
});

describe('on random small histories', () => {
  const value = fc.constantFrom('a', 'b');
  const registerCall: fc.Arbitrary<readonly [RegisterInput, readonly (RegisterOutput | 'unknown')[]]> =
    fc.oneof(
      fc.constant([{ kind: 'read' }, readable()] as const),
      value.map((written) => [{ kind: 'write', value: written }, [{ kind: 'ok' }, 'unknown']] as const),
      fc
        .record({ expected: fc.option(value), value })
        .map(
          (change) =>
            [{ kind: 'cas', ...change }, [{ kind: 'ok' }, { kind: 'mismatch' }, 'unknown']] as const,
        ),
    );
  const existenceCall: fc.Arbitrary<readonly [ExistenceInput, readonly (ExistenceOutput | 'unknown')[]]> =
    fc.constantFrom(
      ['create', ['created', 'exists', 'unknown']] as const,
      ['delete', ['deleted', 'missing', 'unknown']] as const,
      ['get', ['present', 'absent', 'unknown']] as const,
    );

  it('the verdict is that of the definition: register', () => {
    agreesWithDefinition(registerCall, registerModel);
  });

  it('the verdict is that of the definition: existence', () => {
    agreesWithDefinition(existenceCall, existenceModel);
  });

  it('what a real register answers is linearizable, however calls overlap and answers get lost', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            call: registerCall,
            before: fc.nat(20),
            after: fc.nat(20),
            lost: fc.constantFrom('no', 'no', 'no', 'answer', 'request'),
          }),
          { maxLength: 120 },
        ),
        (plan) => {
          let state = registerModel.init;
          const history = plan.flatMap(
            ({ call: [input, answers], before, after, lost }, position): RegisterOperation[] => {
              const at = position * 5;
              const interval = [at - before, at + after] as const;
              if (lost === 'request')
                return [operation<RegisterInput, RegisterOutput>(interval, input, 'unknown')];
              const output = answers.find(
                (answer) => answer !== 'unknown' && registerModel.step(state, input, answer) !== null,
              );
              if (output === undefined) return [];
              state = registerModel.step(state, input, output) ?? state;
              return [
                operation<RegisterInput, RegisterOutput>(
                  interval,
                  input,
                  lost === 'answer' ? 'unknown' : output,
                ),
              ];
            },
          );
          expect(verdictOf(history)).toBe('linearizable');
        },
      ),
      { numRuns: 300 },
    );
  });
});

function readable(): readonly (RegisterOutput | 'unknown')[] {
  return ['unknown', ...[null, 'a', 'b'].map((found): RegisterOutput => ({ kind: 'value', value: found }))];
}

function agreesWithDefinition<State, Input, Output>(
  call: fc.Arbitrary<readonly [Input, readonly (Output | 'unknown')[]]>,
  model: Model<State, Input, Output>,
): void {
  const seen = { linearizable: 0, violation: 0, budgetExceeded: 0 };
  const one = fc
    .record({ call, start: fc.nat(12), length: fc.nat(8), answer: fc.nat(), client: fc.nat(3) })
    .map(({ call: [input, answers], start, length, answer, client }) =>
      operation([start, start + length], input, answers[answer % answers.length] ?? 'unknown', { client }),
    );
  fc.assert(
    fc.property(fc.array(one, { maxLength: 7 }), (history) => {
      const { kind } = checkLinearizable(history, model, BUDGET);
      seen[kind] += 1;
      expect(kind).toBe(isLinearizableByDefinition(history, model) ? 'linearizable' : 'violation');
    }),
    { numRuns: 3000 },
  );
  // Both verdicts came up often, or the property says little.
  expect(Math.min(seen.linearizable, seen.violation)).toBeGreaterThan(300);
}
