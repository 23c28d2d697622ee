// Stands between the driver and its state machine and tells what was applied and restored.

import { logIndex, term, type Entry } from '../../src/raft/core/types.ts';
import type { StateMachine } from '../../src/raft/ports.ts';
import type { StoreStateMachine } from './production.ts';

/** What is told. Nothing once the process is dead: it runs to the end of the turn in which it was killed, without an effect. */
export interface MachineListener {
  readonly isAlive: () => boolean;
  readonly onApplied: (entries: readonly Entry[]) => void;
  readonly onRestored: () => void;
  readonly onSnapshot: () => void;
}

/** `machine` as the driver sees it. */
export function witnessed(machine: StoreStateMachine, listener: MachineListener): StateMachine {
  return {
    get applied() {
      return logIndex(machine.applied);
    },
    get appliedTerm() {
      return term(machine.appliedTerm);
    },
    apply: (entries) => {
      const results = machine.apply(entries);
      if (listener.isAlive()) listener.onApplied(entries);
      return results;
    },
    flush: (done) => machine.flush(done),
    snapshot: () => {
      listener.onSnapshot();
      return machine.snapshot();
    },
    restore: (meta) => {
      const restore = machine.restore(meta);
      return {
        chunk: (bytes) => restore.chunk(bytes),
        ready: () => restore.ready(),
        swap: (done) => {
          restore.swap(done);
          if (listener.isAlive()) listener.onRestored();
        },
        abort: () => restore.abort(),
      };
    },
  };
}
