// SIMULATOR: faults on demand, for tests that cannot make them from outside. Nothing on the normal path uses it.

import { argument, type Command, type Invocation } from '../command.ts';
import { error, integer, OK, type Reply } from '../resp.ts';

const USAGE = error('ERR SIMULATOR LOADING ms | HANG ms | DELAY ms | DROP | CUT yes|no | CRASH');

export const SIMULATOR: Command = {
  name: 'simulator',
  arity: -2,
  whileLoading: true,
  run(invocation) {
    const { node, args } = invocation;
    const milliseconds = Number(argument(args, 2));
    switch (argument(args, 1).toLowerCase()) {
      case 'loading':
        node.faults.loadingUntilMs = performance.now() + milliseconds;
        return OK;
      case 'hang':
        return hang(milliseconds);
      case 'delay':
        node.faults.delayMs = milliseconds;
        return OK;
      case 'drop':
        return drop(invocation);
      case 'cut':
        return cut(invocation);
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

/** Holds back the replication stream in both roles of this node, without closing anything (facts section 8). */
function cut({ node, args }: Invocation): Reply {
  const yes = argument(args, 2).toLowerCase() === 'yes';
  node.feeds.setCut(yes);
  node.link?.setCut(yes);
  return OK;
}
