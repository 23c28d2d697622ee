// Reads the configuration file, no more of it than a configuration can have: it may be a pipe, or anything else without a size.

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';

import { err, ok, type Result } from '../base/result.ts';
import { CONFIG_BYTES_MAX, type ConfigFile } from '../config/file.ts';
import type { ConfigProblem } from '../config/place.ts';
import { printable } from '../base/printable.ts';

/** One byte more than is allowed, where there are as many: enough to be refused as too large. */
export function readConfigFile(path: string): Result<ConfigFile, ConfigProblem> {
  try {
    const file = openSync(path, 'r');
    try {
      return ok({ name: path, text: readText(file, CONFIG_BYTES_MAX + 1) });
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return unreadable(path, error);
  }
}

/** What has to be there by then, milliseconds: a disk that hangs must not keep a reload waiting. */
const READ_DEADLINE_MS = 5000;

/**
 * The same while the process runs: without holding up anything else, and only where it can be read twice. A pipe would be empty, or
 * never end. Resolves within a bounded time.
 */
export async function readConfigFileAgain(path: string): Promise<Result<ConfigFile, ConfigProblem>> {
  const late = Promise.withResolvers<Result<ConfigFile, ConfigProblem>>();
  const timer = setTimeout(
    () => late.resolve(fault(path, `not read within ${READ_DEADLINE_MS / 1000} s`)),
    READ_DEADLINE_MS,
  );
  try {
    return await Promise.race([readRegularFile(path), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function readRegularFile(path: string): Promise<Result<ConfigFile, ConfigProblem>> {
  try {
    // A pipe that nobody writes to would not even be opened otherwise.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile())
      return fault(path, 'is no regular file, so it cannot be read a second time');
    const into = Buffer.alloc(CONFIG_BYTES_MAX + 1);
    const { bytesRead } = await file.read(into, 0, into.length, 0);
    return ok({ name: path, text: into.toString('utf8', 0, bytesRead) });
  } catch (error) {
    return unreadable(path, error);
  }
}

function readText(file: number, bytesMax: number): string {
  const into = Buffer.alloc(bytesMax);
  let length = 0;
  while (length < bytesMax) {
    const count = readSync(file, into, length, bytesMax - length, null);
    if (count === 0) break;
    length += count;
  }
  return into.toString('utf8', 0, length);
}

function unreadable(path: string, error: unknown): Result<never, ConfigProblem> {
  return fault(path, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
}

function fault(path: string, reason: string): Result<never, ConfigProblem> {
  const place = { kind: 'file', file: printable(path) } as const;
  return err({ place, path: null, message: printable(reason) });
}
