// The real disk: `node:fs` behind the port.

import fs from 'node:fs';
import { dirname, resolve } from 'node:path';

import type { Done } from '../ports.ts';
import type { FileSystem, OpenFile, OpenMode, Outcome } from './file-system.ts';
import { completion, outcome, runTask, type Task } from './task.ts';

const OPEN_FLAGS: Readonly<Record<OpenMode, string>> = {
  create: 'wx+',
  replace: 'w+',
  update: 'r+',
  read: 'r',
};

/** Data files are for the controller's own user: they hold the passwords of the managed servers. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** The disk of this machine. */
export const nodeFileSystem: FileSystem = {
  ensureDirectory(path, done) {
    runTask(ensureDirectory(resolve(path)), (result) => done(result instanceof Error ? result : null));
  },
  list(directory, done) {
    fs.readdir(directory, (error, names) => done(error ?? names));
  },
  open(path, mode, done) {
    fs.open(path, OPEN_FLAGS[mode], FILE_MODE, (error, descriptor) =>
      done(error ?? new NodeFile(path, descriptor)),
    );
  },
  rename(from, to, done) {
    fs.rename(from, to, done);
  },
  remove(path, done) {
    fs.unlink(path, done);
  },
  syncDirectory(path, done) {
    runTask(syncDirectory(path), (result) => done(result instanceof Error ? result : null));
  },
  freeBytes(path, done) {
    // `bavail`, not `bfree`: what is kept for the superuser is not ours.
    fs.statfs(path, (error, stats) => done(error ?? stats.bavail * stats.bsize));
  },
  defer(callback) {
    setImmediate(callback);
  },
};

/** A second descriptor of a file: what is written through it is durable when the write returns. */
const DURABLE_FLAGS = fs.constants.O_WRONLY | fs.constants.O_DSYNC;

class NodeFile implements OpenFile {
  readonly #path: string;
  readonly #descriptor: number;
  /** Made by the first `writeDurably`: one trip to a thread instead of two, for what the log does with every group. */
  #durable: number | null = null;

  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  read(into: Uint8Array, position: number, done: Outcome<number>): void {
    fs.read(this.#descriptor, into, 0, into.length, position, (error, count) => done(error ?? count));
  }

  write(bytes: Uint8Array, position: number, done: Done): void {
    writeAll({ descriptor: this.#descriptor, bytes, written: 0, position }, done);
  }

  datasync(done: Done): void {
    fs.fdatasync(this.#descriptor, done);
  }

  writeDurably(bytes: Uint8Array, position: number, done: Done): void {
    if (this.#durable !== null) {
      writeAll({ descriptor: this.#durable, bytes, written: 0, position }, done);
      return;
    }
    fs.open(this.#path, DURABLE_FLAGS, (error, descriptor) => {
      if (error !== null) {
        done(error);
        return;
      }
      this.#durable = descriptor;
      this.writeDurably(bytes, position, done);
    });
  }

  sizeBytes(done: Outcome<number>): void {
    fs.fstat(this.#descriptor, (error, stats) => done(error ?? stats.size));
  }

  close(done: Done): void {
    const durable = this.#durable;
    if (durable !== null) fs.close(durable);
    fs.close(this.#descriptor, (error) => done(error ?? null));
  }
}

interface PendingWrite {
  readonly descriptor: number;
  readonly bytes: Uint8Array;
  readonly written: number;
  readonly position: number;
}

/** A write may be cut short without an error (a full disk, a quota): the rest is asked for until it fails or fits. */
function writeAll(pending: PendingWrite, done: Done): void {
  const { descriptor, bytes, written, position } = pending;
  fs.write(descriptor, bytes, written, bytes.length - written, position + written, (error, count) => {
    if (error !== null) done(error);
    else if (written + count === bytes.length) done(null);
    else if (count === 0) done(new Error(`the disk took ${written} of ${bytes.length} bytes and no more`));
    else writeAll({ ...pending, written: written + count }, done);
  });
}

function* syncDirectory(path: string): Task<true> {
  const descriptor = yield* outcome<number>((done) =>
    fs.open(path, 'r', (error, opened) => done(error ?? opened)),
  );
  try {
    yield* completion((done) => fs.fsync(descriptor, done));
  } finally {
    yield* completion((done) => fs.close(descriptor, (error) => done(error ?? null)));
  }
  return true;
}

/** `mkdir` reports the topmost directory it made: every parent from there down has a new name to make durable. */
function* ensureDirectory(path: string): Task<true> {
  const topmost = yield* outcome<string | null>((done) =>
    fs.mkdir(path, { recursive: true, mode: DIRECTORY_MODE }, (error, made: string | undefined) =>
      done(error ?? made ?? null),
    ),
  );
  if (topmost === null) return true;
  const end = dirname(topmost);
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    yield* syncDirectory(parent);
    if (parent === end) return true;
  }
}
