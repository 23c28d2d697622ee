// SIMULATOR: faults on demand, for tests that cannot make them from outside. Nothing on the normal path uses it.

import { argument, type Command, type Invocation } from '../command.ts';
import type { DiskPace } from '../faults.ts';
import { error, integer, OK, type Reply } from '../resp.ts';

const USAGE = error(
  'ERR SIMULATOR LOADING ms | HANG ms | DELAY ms | DROP | CUT yes|no | DISK stuck|writes-per-second|ok | SYNC fetching|restoring|go | LOSE-IMPORT-REPLY | CRASH',
);

export const SIMULATOR: Command = {
  name: 'simulator',
  arity: -2,
  whileLoading: true,
  run(invocation) {
    const { node, args } = invocation;
    const word = argument(args, 2).toLowerCase();
    switch (argument(args, 1).toLowerCase()) {
      case 'loading':
        node.faults.loadingUntilMs = performance.now() + Number(word);
        return OK;
      case 'hang':
        return hang(Number(word));
      case 'delay':
        node.faults.delayMs = Number(word);
        return OK;
      case 'drop':
        return drop(invocation);
      case 'cut':
        node.setCut(word === 'yes');
        return OK;
      case 'disk':
        return disk(invocation, word);
      case 'sync':
        return holdSync(invocation, word);
      case 'lose-import-reply':
        node.faults.losesImportReply = true;
        return OK;
      case 'crash':
        return node.crash('SIMULATOR CRASH');
      default:
        return USAGE;
    }
  },
};

/** The whole process stands still, as under SIGSTOP, and then goes on with what has queued up. */
function hang(milliseconds: number): Reply {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  return OK;
}

/** Closes every other connection. */
function drop({ node, session }: Invocation): Reply {
  const others = [...node.sessions].filter((other) => other !== session);
  for (const other of others) other.destroy();
  return integer(others.length);
}

/** A stuck disk: writes of clients are not answered, what a master sends is not applied, all else goes on (facts section 14). */
function disk({ node }: Invocation, word: string): Reply {
  const pace = paceOf(word);
  if (pace === null) return USAGE;
  node.faults.disk.setPace(pace);
  return OK;
}

function paceOf(word: string): DiskPace | null {
  if (word === 'ok' || word === 'stuck') return { kind: word };
  const writesPerSecond = Number(word);
  return writesPerSecond > 0 ? { kind: 'slow', writesPerSecond } : null;
}

/** Full syncs that reach the named phase stay in it until `go`. */
function holdSync({ node }: Invocation, phase: string): Reply {
  if (phase !== 'fetching' && phase !== 'restoring' && phase !== 'go') return USAGE;
  node.faults.fetching.set(phase === 'fetching');
  node.faults.restoring.set(phase === 'restoring');
  return OK;
}
