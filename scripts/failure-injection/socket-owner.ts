// Which process holds the other end of a connection on this machine, as Linux tells it under /proc.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Columns of a line of /proc/net/tcp. */
const LOCAL = 1;
const REMOTE = 2;
const INODE = 9;

export interface LocalConnection {
  /** Ports of 127.0.0.1; `clientPort` is that of the side that connected. */
  readonly clientPort: number;
  readonly serverPort: number;
}

/**
 * Which of `pids` opened the connection; null when none of them has it (any more). So a proxy knows whom it serves without
 * looking into the traffic and without a change in the programs.
 */
export function connectionOwner(connection: LocalConnection, pids: readonly number[]): number | null {
  const inode = inodeOf(connection);
  if (inode === null) return null;
  const name = `socket:[${inode}]`;
  return pids.find((pid) => openFiles(pid).includes(name)) ?? null;
}

function inodeOf({ clientPort, serverPort }: LocalConnection): string | null {
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (portOf(columns[LOCAL]) === clientPort && portOf(columns[REMOTE]) === serverPort)
      return columns[INODE] ?? null;
  }
  return null;
}

/** `0100007F:24A3` -> 9379. */
function portOf(address: string | undefined): number {
  return Number.parseInt(address?.split(':')[1] ?? '', 16);
}

function openFiles(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((file) => linkOf(`/proc/${pid}/fd/${file}`));
  } catch {
    // The process has ended.
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return '';
  }
}
