// Says in lines of text what a verdict means, for the person who has to find the bug.

import type { Verdict, Window } from './check.ts';
import type { Model, Operation } from './history.ts';

/** Operations of one window that are printed; the last ones matter most. */
const OPERATIONS_MAX = 60;

/** Several lines without a final newline; one line when linearizable. */
export function explainVerdict<State, Input, Output>(
  verdict: Verdict<State, Input, Output>,
  model: Model<State, Input, Output>,
): string {
  switch (verdict.kind) {
    case 'linearizable':
      return `linearizable (${verdict.steps} steps)`;
    case 'budgetExceeded':
      return `not decided: key ${JSON.stringify(verdict.key)} used up the budget of ${verdict.steps} steps`;
    case 'violation':
      return explainWindow(verdict.window, model);
  }
}

function explainWindow<State, Input, Output>(
  window: Window<State, Input, Output>,
  model: Model<State, Input, Output>,
): string {
  const { operations, culprit, before, unknownBefore } = window;
  const states = window.states.map((state) => model.describeState(state)).join(' or ');
  const shown = operations.slice(-OPERATIONS_MAX);
  const left = operations.length - shown.length;
  return [
    `not linearizable: key ${JSON.stringify(window.key)}`,
    ...(before.length === 0 ? [] : ['  the last answers before:']),
    ...before.map((operation) => `    ${describeOperation(operation, model)}`),
    `  so the state is ${states}`,
    ...(unknownBefore.length === 0
      ? []
      : ['  begun before, outcome unknown; each may have taken effect at any time or never:']),
    ...summarise(unknownBefore, model),
    ...(left === 0 ? [] : [`  ... ${left} earlier operations`]),
    ...shown.map(
      (operation) =>
        `  ${describeOperation(operation, model)}${operation === culprit ? '   <- no order explains this' : ''}`,
    ),
  ].join('\n');
}

function describeOperation<State, Input, Output>(
  operation: Operation<Input, Output>,
  model: Model<State, Input, Output>,
): string {
  const end = operation.output === 'unknown' || operation.return === null ? '...' : time(operation.return);
  const interval = `[${time(operation.call)}, ${end}]`;
  return `client ${operation.client} ${interval} ${model.describe(operation.input, operation.output)}`;
}

/** One line a kind of operation, since there may be many alike. */
function summarise<State, Input, Output>(
  operations: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
): readonly string[] {
  const alike = Map.groupBy(operations, ({ input }) => model.describe(input, 'unknown'));
  return [...alike].map(
    ([text, group]) =>
      `    ${group.length}x ${text}, called at ${group.map(({ call }) => time(call)).join(', ')}`,
  );
}

/** Milliseconds of a real clock have digits nobody needs. */
function time(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}
