// nodes.conf: written at every change of the topology, read at start (facts section 7).

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';

import { err, ok, type Result } from '../../src/base/result.ts';
import { slotTexts } from './topology-render.ts';
import { parseInt64 } from './slots.ts';
import type { TopologyState } from './topology-state.ts';

/** Writes a temporary file and renames it; the error is the server's text after `ERR `. */
export function saveNodesFile(path: string, state: TopologyState): Result<null, string> {
  const slots = slotTexts(state);
  let text = `version ${state.version}\nid ${state.myId}\n`;
  for (const node of state.nodes.values()) {
    if (node === null) continue;
    const { id, host, port, role, masterId } = node;
    text += `node ${id} ${host} ${port} ${role} ${masterId} ${slots.get(id) ?? ''}\n`;
  }
  const temporary = `${path}.tmp`;
  try {
    writeFileSync(temporary, text, 'latin1');
  } catch {
    // The server does not check this write either: the rename that follows tells.
  }
  try {
    renameSync(temporary, path);
  } catch (cause) {
    return err(`rename file encounter error: ${systemErrorText(cause)}`);
  }
  return ok(null);
}

export function removeNodesFile(path: string): void {
  rmSync(path, { force: true });
}

/** Brings `state` to what the file says; no file is fine, a broken one is the reason why the server does not start. */
export function loadNodesFile(path: string, state: TopologyState): Result<null, string> {
  if (!existsSync(path)) return ok(null);
  let version: bigint | null = -1n;
  let nodes = '';
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    if (line === '') continue;
    const blank = line.indexOf(' ');
    const key = blank === -1 ? line : line.slice(0, blank);
    const value = blank === -1 ? '' : line.slice(blank + 1);
    if (key === 'version') version = parseInt64(value);
    else if (key === 'id') state.myId = value.trim();
    else if (key === 'node') nodes += `${value}\n`;
    else return err(`unknown key: ${key}`);
  }
  if (version === null) return err('Invalid version');
  const outcome = state.setNodes(nodes, version, false);
  return outcome.ok ? ok(null) : outcome;
}

function systemErrorText(cause: unknown): string {
  const errno = cause instanceof Error && 'errno' in cause ? Number(cause.errno) : 0;
  const known: Readonly<Record<string, string>> = {
    ENOTDIR: 'Not a directory',
    EISDIR: 'Is a directory',
    ENOENT: 'No such file or directory',
    EACCES: 'Permission denied',
    EROFS: 'Read-only file system',
    ENOSPC: 'No space left on device',
  };
  const [name = '', text = 'Unknown error'] = getSystemErrorMap().get(errno) ?? [];
  return known[name] ?? text;
}
