// The sequential objects that histories are held against: a register with compare-and-set, and a name that exists or not.

import type { Model } from './history.ts';

export type RegisterInput =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: string }
  | { readonly kind: 'cas'; readonly expected: string | null; readonly value: string };

export type RegisterOutput =
  | { readonly kind: 'ok' }
  | { readonly kind: 'value'; readonly value: string | null }
  /** A compare-and-set that found another value than it expected. */
  | { readonly kind: 'mismatch' };

export interface RegisterState {
  readonly value: string | null;
}

/** One value, null at first. */
export const registerModel: Model<RegisterState, RegisterInput, RegisterOutput> = {
  init: { value: null },
  step(state, input, output) {
    switch (input.kind) {
      case 'read':
        return output === 'unknown' || (output.kind === 'value' && output.value === state.value)
          ? state
          : null;
      case 'write':
        return output === 'unknown' || output.kind === 'ok' ? { value: input.value } : null;
      case 'cas': {
        const matches = state.value === input.expected;
        if (output !== 'unknown' && output.kind !== (matches ? 'ok' : 'mismatch')) return null;
        return matches ? { value: input.value } : state;
      }
    }
  },
  observes: (input, output) => input.kind === 'read' || output.kind === 'mismatch',
  describeState: ({ value }) => (value === null ? 'nothing' : JSON.stringify(value)),
  describe: (input, output) => `${describeRegisterInput(input)} -> ${describeRegisterOutput(output)}`,
};

function describeRegisterInput(input: RegisterInput): string {
  switch (input.kind) {
    case 'read':
      return 'read';
    case 'write':
      return `write ${JSON.stringify(input.value)}`;
    case 'cas':
      return `cas ${JSON.stringify(input.expected)} to ${JSON.stringify(input.value)}`;
  }
}

function describeRegisterOutput(output: RegisterOutput | 'unknown'): string {
  if (output === 'unknown') return output;
  return output.kind === 'value' ? JSON.stringify(output.value) : output.kind;
}

export type ExistenceInput = 'create' | 'delete' | 'get';

/** `exists` is a refused create, `missing` a refused delete. */
export type ExistenceOutput = 'created' | 'exists' | 'deleted' | 'missing' | 'present' | 'absent';

export type ExistenceState = 'present' | 'absent';

/** What each input may answer in each state. */
const EXISTENCE_ANSWERS: Record<ExistenceInput, Record<ExistenceState, ExistenceOutput>> = {
  create: { absent: 'created', present: 'exists' },
  delete: { present: 'deleted', absent: 'missing' },
  get: { present: 'present', absent: 'absent' },
};

/** A name that is created and deleted, absent at first: a namespace of the HTTP API. */
export const existenceModel: Model<ExistenceState, ExistenceInput, ExistenceOutput> = {
  init: 'absent',
  step(state, input, output) {
    if (output !== 'unknown' && output !== EXISTENCE_ANSWERS[input][state]) return null;
    return input === 'create' ? 'present' : input === 'delete' ? 'absent' : state;
  },
  observes: (_input, output) => output !== 'created' && output !== 'deleted',
  describeState: (state) => state,
  describe: (input, output) => `${input} -> ${output}`,
};
