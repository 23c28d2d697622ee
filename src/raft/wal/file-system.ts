// What the log and the snapshots need of a disk: a port small enough for a simulated disk to be strict about.

import type { Done } from '../ports.ts';

/** Called exactly once, never from inside the call that was given it. */
export type Outcome<T> = (result: T | Error) => void;

/**
 * `create`: must not exist yet, read and write. `replace`: created, or emptied when it exists, read and write.
 * `update`: must exist, read and write. `read`: must exist.
 */
export type OpenMode = 'create' | 'replace' | 'update' | 'read';

/** An open file. One call at a time. */
export interface OpenFile {
  /** Reads up to `into.length` bytes at byte `position`; the result is the count of bytes read, 0 at the end. */
  read(into: Uint8Array, position: number, done: Outcome<number>): void;
  /** Writes all of `bytes` at byte `position`, or fails; the file grows when they reach beyond its end. */
  write(bytes: Uint8Array, position: number, done: Done): void;
  /** Makes everything written so far durable, and the size with it; the file's *name* is `syncDirectory`'s business. */
  datasync(done: Done): void;
  /** `write` and `datasync` of what it wrote, as one request where the system has one. */
  writeDurably(bytes: Uint8Array, position: number, done: Done): void;
  sizeBytes(done: Outcome<number>): void;
  close(done: Done): void;
}

/** `writeDurably` for disks that have no such request. */
export function writeAndSync(
  file: Pick<OpenFile, 'write' | 'datasync'>,
  bytes: Uint8Array,
  position: number,
  done: Done,
): void {
  file.write(bytes, position, (error) => {
    if (error === null) file.datasync(done);
    else done(error);
  });
}

/**
 * A disk. Until the matching sync has succeeded, a crash may keep or lose each 512-byte sector written and each
 * name created, renamed or removed, in any combination. A single sector is written whole or not at all.
 */
export interface FileSystem {
  /** Creates the directory and its missing parents and makes their names durable. */
  ensureDirectory(path: string, done: Done): void;
  /** The names in a directory, in no particular order. */
  list(directory: string, done: Outcome<readonly string[]>): void;
  open(path: string, mode: OpenMode, done: Outcome<OpenFile>): void;
  /** Of a file, which replaces `to` when that exists, or of a folder, where `to` must not exist. `syncDirectory` of both their folders makes it durable. */
  rename(from: string, to: string, done: Done): void;
  remove(path: string, done: Done): void;
  /** Makes all creations, renames and removals in this directory durable. */
  syncDirectory(path: string, done: Done): void;
  /** Bytes that can still be written to the disk that holds `path`, as far as it knows. */
  freeBytes(path: string, done: Outcome<number>): void;
  /** Calls `callback` soon, never from inside this call: how an answer known at once keeps the contract of `Done`. */
  defer(callback: () => void): void;
}

/** Space ran out: the one disk error that says nothing about the health of what is already written. */
export function isOutOfSpace(error: Error): boolean {
  return 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}
