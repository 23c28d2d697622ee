// Shared by the store's tests: folders, a silent logger, entries, a copy that keeps to itself.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import type { Result } from '../../../src/base/result.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import { encodeTransaction } from '../../../src/store/codec.ts';
import type { CopyUpdate, Done, DurableCopy, StateCut } from '../../../src/store/durable-copy.ts';
import { CopyReader, type LoadedState } from '../../../src/store/level-records.ts';
import type { DatabaseRecord } from '../../../src/store/record-database.ts';
import { type LogEntry, type LogPosition, logPosition } from '../../../src/store/log-entry.ts';
import { StoreStateMachine, openStateMachine } from '../../../src/store/state-machine.ts';
import { KeyValueState } from '../../../src/store/state/key-value-state.ts';
import type { Transaction } from '../../../src/store/types.ts';

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'store-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function copyDirectory(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, filter: (source) => !source.endsWith('/LOCK') });
}

/** Keeps the warnings. */
export class WarningLog implements Logger {
  readonly warnings: { readonly event: string; readonly fields: LogFields }[] = [];

  warn(event: string, fields: LogFields = {}): void {
    this.warnings.push({ event, fields });
  }

  debug(): void {}
  info(): void {}
  error(): void {}
  child(): Logger {
    return this;
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const requestId = (number: number): string => number.toString(16).padStart(32, '0');

export function transaction(number: number, parts: Partial<Transaction> = {}): Transaction {
  return { requestId: requestId(number), compare: [], put: [], remove: [], ...parts };
}

export function put(number: number, key: string, value: string): Transaction {
  return transaction(number, { put: [{ key, value: bytes(value) }] });
}

export function entry(index: number, command: Transaction | Uint8Array | 'noop'): LogEntry {
  const position: LogPosition = logPosition(index, 1);
  if (command === 'noop') return { ...position, kind: 'noop', data: new Uint8Array() };
  return {
    ...position,
    kind: 'command',
    data: command instanceof Uint8Array ? command : encodeTransaction(command),
  };
}

/** A copy that forgets at once: for tests of what is in memory. */
export class NoCopy implements DurableCopy {
  readonly updates: CopyUpdate[] = [];
  readonly cuts: StateCut[] = [];

  write(update: CopyUpdate): void {
    this.updates.push(update);
  }

  flush(done: Done): void {
    queueMicrotask(() => done(null));
  }

  replace(cut: StateCut, done: Done): void {
    this.cuts.push(cut);
    queueMicrotask(() => done(null));
  }

  close(done: () => void): void {
    queueMicrotask(done);
  }
}

export function memoryMachine(copy: DurableCopy = new NoCopy()): StoreStateMachine {
  return new StoreStateMachine(copy, {
    position: logPosition(0, 0),
    state: new KeyValueState(),
  });
}

export async function openMachine(directory: string, logger: Logger = new WarningLog()) {
  const faults: Error[] = [];
  const opened = await openStateMachine({ directory, logger, onFault: (error) => faults.push(error) });
  if (!opened.ok) throw new Error(`cannot open: ${opened.error.kind}`);
  return { ...opened.value, faults };
}

export function flushed(machine: StoreStateMachine): Promise<Error | null> {
  return new Promise((resolve) => {
    machine.flush(resolve);
  });
}

/** The records of a database verified as at a start; any order. */
export function verified(records: Iterable<DatabaseRecord>): Result<LoadedState | null, string> {
  const reader = new CopyReader();
  reader.add([...records].sort(([left], [right]) => (left < right ? -1 : 1)));
  return reader.finish();
}

/** What a state holds, to be compared. */
export function everything(state: KeyValueState | undefined): unknown {
  const contents = state?.contents();
  return contents && { stored: [...contents.stored], requests: contents.requests };
}

/** Feeds `chunks` to a restore and swaps it in if it is ready; the buffer is reused to prove that it is not kept. */
export function restored(
  machine: StoreStateMachine,
  position: LogPosition,
  chunks: Iterable<Uint8Array>,
): Promise<Error | null> {
  const restore = machine.restore(position);
  const buffer = new Uint8Array(64 * 1024);
  for (const chunk of chunks) {
    buffer.set(chunk);
    restore.chunk(buffer.subarray(0, chunk.length));
  }
  buffer.fill(0xff);
  const problem = restore.ready();
  if (problem !== null) return Promise.resolve(new Error(problem));
  return new Promise((resolve) => {
    restore.swap(resolve);
  });
}
