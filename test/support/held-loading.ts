// For `node --import`: stops a process in the middle of loading its modules, until a file says that it may go on.

import { existsSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/** A package that the program needs early and loads once. */
const HELD_PACKAGE = 'commander';
const POLL_MS = 10;

const reached = process.env['TEST_LOADING_REACHED'] ?? '';
const goOn = process.env['TEST_LOADING_GO_ON'] ?? '';

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier === HELD_PACKAGE) {
      writeFileSync(reached, '');
      const nothing = new Int32Array(new SharedArrayBuffer(4));
      while (!existsSync(goOn)) Atomics.wait(nothing, 0, 0, POLL_MS);
    }
    return nextResolve(specifier, context);
  },
});
