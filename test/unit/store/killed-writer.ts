// A process to be killed: applies entries to a state machine on LevelDB without ever waiting for the copy.

import { StoreStateMachine } from '../../../src/store/state-machine.ts';
import { openLevelCopy } from '../../../src/store/level-open.ts';
import { killedWriterEntry } from './killed-writer-log.ts';

const [directory = ''] = process.argv.slice(2);
const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
const opened = await openLevelCopy({ directory, logger: log, onFault: () => process.exit(2) });
if (!opened.ok) process.exit(3);
const machine = new StoreStateMachine(opened.value.copy, opened.value);

function applySome(): void {
  for (let count = 0; count < 20; count += 1) machine.apply([killedWriterEntry(machine.applied + 1)]);
  process.stdout.write(`${machine.applied}\n`);
  setImmediate(applySome);
}
applySome();
