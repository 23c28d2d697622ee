// What clients did and saw, in the form the linearizability checker takes, and the sequential object behind it.

import type { Model, Operation } from '../support/linearizability/history.ts';

/** Values are the names of the writes that made them: each is written once. */
export type KeyInput =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: string }
  | { readonly kind: 'remove' }
  | { readonly kind: 'cas'; readonly expected: string | null; readonly value: string };

export type KeyOutput =
  | { readonly kind: 'done' }
  | { readonly kind: 'value'; readonly value: string | null }
  /** A compare-and-set that found something else. */
  | { readonly kind: 'conflict' };

export type KeyOperation = Operation<KeyInput, KeyOutput>;

export interface KeyState {
  readonly value: string | null;
}

/** One key of the store: absent at first. */
export const keyModel: Model<KeyState, KeyInput, KeyOutput> = {
  init: { value: null },
  step(state, input, output) {
    switch (input.kind) {
      case 'read':
        return output === 'unknown' || (output.kind === 'value' && output.value === state.value)
          ? state
          : null;
      case 'write':
        return { value: input.value };
      case 'remove':
        return { value: null };
      case 'cas': {
        const matches = state.value === input.expected;
        if (output !== 'unknown' && (output.kind === 'done') !== matches) return null;
        return matches ? { value: input.value } : state;
      }
    }
  },
  observes: (input, output) => input.kind === 'read' || output.kind === 'conflict',
  describeState: ({ value }) => value ?? 'nothing',
  describe(input, output) {
    const argument = 'value' in input ? ` ${input.value}` : '';
    const expected = input.kind === 'cas' ? ` expecting ${input.expected ?? 'nothing'}` : '';
    return `${input.kind}${argument}${expected} -> ${describeOutput(output)}`;
  },
};

function describeOutput(output: KeyOutput | 'unknown'): string {
  if (output === 'unknown') return output;
  return output.kind === 'value' ? (output.value ?? 'nothing') : output.kind;
}
