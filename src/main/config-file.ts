// Reads the configuration file, no more of it than a configuration can have: it may be a pipe, or anything else without a size.

import { closeSync, openSync, readSync } from 'node:fs';

import { err, ok, type Result } from '../base/result.ts';
import { CONFIG_BYTES_MAX, type ConfigFile } from '../config/file.ts';

/** One byte more than is allowed, where there are as many: enough to be refused as too large. The error is for people. */
export function readConfigFile(path: string): Result<ConfigFile, string> {
  try {
    const file = openSync(path, 'r');
    try {
      return ok({ name: path, text: readText(file, CONFIG_BYTES_MAX + 1) });
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return err(`${path}: cannot be read: ${error instanceof Error ? error.message : String(error)}`);
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
