// The one place where this simulator takes in the code under test above Raft; `../production.ts` has what is below.

import { Agent, type Dispatcher } from 'undici';

export { FEATURE_LEVEL, WITNESS_LEVEL } from '../../../src/base/feature-level.ts';
export { sightingOf } from '../../../src/control/sighting.ts';
export { Leadership } from '../../../src/leader/leadership.ts';
export { probeDeadlineMs } from '../../../src/control/settings.ts';
export { LeadershipTerms } from '../../../src/leader/terms.ts';
export { Registry } from '../../../src/registry/registry.ts';
export { AppliedLevel } from '../../../src/server/feature-level/applied-level.ts';
export { LevelKeeper } from '../../../src/server/feature-level/level-keeper.ts';
export { ReplicatedStore } from '../../../src/store/replicated-store.ts';
export { LOG_START } from '../../../src/store/log-entry.ts';
export { StoreStateMachine } from '../../../src/store/state-machine.ts';
export { KeyValueState } from '../../../src/store/state/key-value-state.ts';
export {
  setNodesText,
  departureText,
  drainText,
  isolationText,
} from '../../../src/topology/setnodes-text.ts';
export { WitnessPanel, type Peer } from '../../../src/witness/panel.ts';
export { Witness } from '../../../src/witness/witness.ts';

/** Takes the requests that processes make over HTTP. */
export interface Poster {
  post(
    dispatcher: object,
    request: { readonly origin: string; readonly body: string },
    handler: Dispatcher.DispatchHandler,
  ): void;
  /** What is under way on the dispatcher ends. */
  end(dispatcher: object): void;
}

let poster: Poster | null = null;

// The witness panel makes its own connections and shows them to nobody; watching the class is how the simulator carries its questions.
// oxlint-disable-next-line typescript/unbound-method -- it is only called with its dispatcher, below
const { dispatch, destroy } = Agent.prototype;
Agent.prototype.dispatch = function watchedDispatch(this: Agent, options, handler): boolean {
  if (poster === null || this.destroyed) return dispatch.call(this, options, handler);
  poster.post(this, { origin: String(options.origin), body: bodyOf(options) }, handler);
  return true;
};

// It calls itself with a callback, which comes along.
Agent.prototype.destroy = function watchedDestroy(this: Agent, ...parameters: unknown[]): Promise<void> {
  poster?.end(this);
  return Reflect.apply(destroy, this, parameters) as Promise<void>;
};

function bodyOf({ body }: Dispatcher.DispatchOptions): string {
  return typeof body === 'string' ? body : '';
}

/** Sets who takes all requests of this process; null for nobody. */
export function postThrough(next: Poster | null): void {
  poster = next;
}
