// The definition itself, slow: tries every order that keeps real time, with and without each operation of unknown outcome.

import type { Model, Operation } from '../../support/linearizability/history.ts';

/** For histories of one key and about seven operations. */
export function isLinearizableByDefinition<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
): boolean {
  const explains = (state: State, left: readonly Operation<Input, Output>[]): boolean => {
    if (left.every(({ output }) => output === 'unknown')) return true;
    const firstEnd = Math.min(...left.map(endOf));
    return left.some((operation) => {
      if (operation.call > firstEnd) return false;
      const next = model.step(state, operation.input, operation.output);
      return (
        next !== null &&
        explains(
          next,
          left.filter((one) => one !== operation),
        )
      );
    });
  };
  return explains(model.init, history);
}

function endOf<Input, Output>(operation: Operation<Input, Output>): number {
  return operation.output === 'unknown' || operation.return === null
    ? Number.POSITIVE_INFINITY
    : operation.return;
}
