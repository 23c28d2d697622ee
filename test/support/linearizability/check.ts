// Decides whether a history is linearizable: one sequential order exists that explains every answer and keeps real time.

import assert from 'node:assert/strict';

import { type Configuration, ConfigurationSet } from './configurations.ts';
import type { Model, Operation } from './history.ts';

/** What `checkLinearizable` found. Anything but `linearizable` is a failure of the run. */
export type Verdict<State, Input, Output> =
  | { readonly kind: 'linearizable'; readonly steps: number }
  | { readonly kind: 'violation'; readonly steps: number; readonly window: Window<State, Input, Output> }
  | { readonly kind: 'budgetExceeded'; readonly steps: number; readonly key: string };

/** The smallest piece of a history from a moment of rest on that has no explanation. */
export interface Window<State, Input, Output> {
  readonly key: string;
  /**
   * Every state the key may have been in when no operation was under way for the last time, but for what `unknownBefore`
   * adds: their effects are brought in only where an answer needs them.
   */
  readonly states: readonly State[];
  /** The last few operations answered before, for the reader: they brought about `states`. */
  readonly before: readonly Operation<Input, Output>[];
  /** What began since, in order of `call`. */
  readonly operations: readonly Operation<Input, Output>[];
  /** The last of `operations` to be answered: with it no order is left. */
  readonly culprit: Operation<Input, Output>;
  /** Operations of unknown outcome begun before; each may take effect inside the window, too. */
  readonly unknownBefore: readonly Operation<Input, Output>[];
}

interface Known<Input, Output> {
  readonly operation: Operation<Input, Output>;
  readonly output: Output;
  readonly bit: bigint;
}

type Event<Input, Output> =
  | { readonly kind: 'call'; readonly time: number; readonly operation: Operation<Input, Output> }
  | { readonly kind: 'return'; readonly time: number; readonly operation: Operation<Input, Output> };

/** Operations of unknown outcome with the same input: alike but for the moment from which they may take effect. */
interface UnknownClass<Input> {
  readonly input: Input;
  calledCount: number;
}

interface Budget {
  readonly limit: number;
  steps: number;
}

/** Operations of `Window.before`. */
const BEFORE_MAX = 5;

class BudgetExceeded extends Error {
  override readonly name = 'BudgetExceeded';
}

/**
 * Checks every key of `history` by the search of Wing and Gong with memo, in the order of answers (Lowe's just-in-time
 * form): an operation is put into the order only when itself or one behind it is answered. `budget` is the number of
 * model steps allowed for the whole history; exceeding it is no pass. Throws an assertion on an ill-formed history.
 */
export function checkLinearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
  options: { readonly budget: number },
): Verdict<State, Input, Output> {
  const budget: Budget = { limit: options.budget, steps: 0 };
  for (const [key, operations] of Map.groupBy(history, (operation) => operation.key)) {
    try {
      const window = new KeySearch(operations, model, budget).run();
      if (window !== null) return { kind: 'violation', steps: budget.steps, window: { key, ...window } };
    } catch (error) {
      if (error instanceof BudgetExceeded) return { kind: 'budgetExceeded', steps: budget.steps, key };
      throw error;
    }
  }
  return { kind: 'linearizable', steps: budget.steps };
}

/** The search on one key. */
class KeySearch<State, Input, Output> {
  readonly #operations: readonly Operation<Input, Output>[];
  readonly #model: Model<State, Input, Output>;
  readonly #budget: Budget;
  readonly #classes = new Map<string, UnknownClass<Input>>();
  readonly #unknown: Operation<Input, Output>[] = [];
  /** Begun and to be answered. */
  readonly #open = new Map<Operation<Input, Output>, Known<Input, Output>>();
  readonly #freeBits: bigint[] = [];
  #configurations: readonly Configuration<State>[];
  #rest: Pick<Window<State, Input, Output>, 'states' | 'before' | 'unknownBefore'>;
  #sinceRest: Operation<Input, Output>[] = [];

  constructor(
    operations: readonly Operation<Input, Output>[],
    model: Model<State, Input, Output>,
    budget: Budget,
  ) {
    this.#operations = operations;
    this.#model = model;
    this.#budget = budget;
    for (const { input, output } of operations)
      if (output === 'unknown') this.#classes.set(JSON.stringify(input), { input, calledCount: 0 });
    const spent = Array.from(this.#classes, () => 0);
    const state = model.init;
    this.#configurations = [{ state, stateText: model.describeState(state), done: 0n, spent }];
    this.#rest = { states: [state], before: [], unknownBefore: [] };
  }

  /** Null when linearizable. */
  run(): Omit<Window<State, Input, Output>, 'key'> | null {
    for (const event of eventsOf(this.#operations)) {
      if (event.kind === 'call') this.#call(event.operation);
      else if (!this.#return(event.operation)) {
        return { ...this.#rest, operations: this.#sinceRest, culprit: event.operation };
      }
    }
    return null;
  }

  #call(operation: Operation<Input, Output>): void {
    if (this.#open.size === 0) this.#noteRest();
    this.#sinceRest.push(operation);
    const { input, output } = operation;
    if (output === 'unknown') {
      this.#unknown.push(operation);
      const unknownClass = this.#classes.get(JSON.stringify(input));
      assert.ok(unknownClass !== undefined);
      unknownClass.calledCount += 1;
      return;
    }
    const bit = this.#freeBits.pop() ?? 1n << BigInt(this.#open.size);
    this.#open.set(operation, { operation, output, bit });
  }

  #noteRest(): void {
    // One configuration a state and way of spending: people want each state once.
    const states = new Map(this.#configurations.map(({ state, stateText }) => [stateText, state]));
    const answered = this.#sinceRest.filter(({ output }) => output !== 'unknown');
    const before = [...this.#rest.before, ...answered].slice(-BEFORE_MAX);
    this.#rest = { states: [...states.values()], before, unknownBefore: [...this.#unknown] };
    this.#sinceRest = [];
  }

  /** Keeps the configurations in which `operation` has taken effect; false when there is none. */
  #return(operation: Operation<Input, Output>): boolean {
    const own = this.#open.get(operation);
    assert.ok(own !== undefined);
    const visited = new ConfigurationSet<State>();
    const kept = new ConfigurationSet<State>();
    const stack = [...this.#configurations];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const configuration = this.#settled(next);
      if ((configuration.done & own.bit) !== 0n)
        kept.add({ ...configuration, done: configuration.done ^ own.bit });
      else if (visited.add(configuration)) stack.push(...this.#successors(configuration));
    }
    this.#open.delete(operation);
    this.#freeBits.push(own.bit);
    this.#configurations = kept.all;
    return this.#configurations.length > 0;
  }

  /** With every open observation that is right now: nothing becomes possible by putting it later. */
  #settled(configuration: Configuration<State>): Configuration<State> {
    let { done } = configuration;
    for (const { operation, output, bit } of this.#open.values()) {
      if ((done & bit) !== 0n || !this.#model.observes(operation.input, output)) continue;
      if (this.#step(configuration.state, operation.input, output) !== null) done |= bit;
    }
    return { ...configuration, done };
  }

  /** Every configuration one further effect away. */
  #successors(from: Configuration<State>): readonly Configuration<State>[] {
    const successors: Configuration<State>[] = [];
    for (const [position, { input, calledCount }] of [...this.#classes.values()].entries()) {
      const count = from.spent[position] ?? 0;
      // Of those alike the earliest goes first: the others may take effect whenever it may.
      const state = count < calledCount ? this.#step(from.state, input, 'unknown') : null;
      if (state === null) continue;
      const stateText = this.#model.describeState(state);
      if (stateText === from.stateText) continue;
      successors.push({ ...from, state, stateText, spent: from.spent.with(position, count + 1) });
    }
    for (const { operation, output, bit } of this.#open.values()) {
      const state = (from.done & bit) === 0n ? this.#step(from.state, operation.input, output) : null;
      if (state === null) continue;
      const stateText = this.#model.describeState(state);
      successors.push({ ...from, state, stateText, done: from.done | bit });
    }
    return successors;
  }

  #step(state: State, input: Input, output: Output | 'unknown'): State | null {
    if (this.#budget.steps >= this.#budget.limit) throw new BudgetExceeded();
    this.#budget.steps += 1;
    return this.#model.step(state, input, output);
  }
}

/** Calls before answers at the same time: what may have overlapped counts as overlapping. */
function eventsOf<Input, Output>(
  operations: readonly Operation<Input, Output>[],
): readonly Event<Input, Output>[] {
  const events: Event<Input, Output>[] = [];
  for (const operation of operations) {
    events.push({ kind: 'call', time: operation.call, operation });
    if (operation.output === 'unknown') continue;
    assert.ok(operation.return !== null, 'an operation that was never answered has no output');
    assert.ok(operation.return >= operation.call, 'an operation returned before it was called');
    events.push({ kind: 'return', time: operation.return, operation });
  }
  return events.toSorted((left, right) => left.time - right.time || order(left) - order(right));
}

function order<Input, Output>(event: Event<Input, Output>): number {
  return event.kind === 'call' ? 0 : 1;
}
