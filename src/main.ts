#!/usr/bin/env -S node --max-semi-space-size=8 --disable-sigusr1
// One controller process. Signals are heard before anything else is loaded: to load the rest takes a second on a busy machine.

import { ProcessSignals } from './main/signals.ts';

const signals = new ProcessSignals(process);
const { run } = await import('./main/run.ts');
await run(signals);
