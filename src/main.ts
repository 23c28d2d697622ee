#!/usr/bin/env -S UV_THREADPOOL_SIZE=16 node --max-semi-space-size=8 --disable-sigusr1
// One controller process, best with 16 threads for files: LevelDB, log and snapshots share them, and four can wait for one slow disk at
// once. Their number counts only from outside: the first module is loaded with them. Signals are heard before anything else is loaded: to load the rest takes a second on a busy machine. Verbs that start no member do not load it.

import { refuseOldNode } from './main/node-version.ts';
import { ProcessSignals } from './main/signals.ts';

refuseOldNode('kvrocks-controller');
const signals = new ProcessSignals(process);
const { readCommandLine } = await import('./main/command-line.ts');
const { refuseToStart } = await import('./main/complain.ts');
const asked = readCommandLine();
if (asked.kind === 'verb') {
  const onStop = (): void => refuseToStart('interrupted; the same can be run again');
  signals.handle({ onStop, onReload: () => undefined, onIgnored: () => undefined });
  process.exitCode = await asked.perform();
} else {
  const { run } = await import('./main/run.ts');
  await run(asked.flags, signals);
}
