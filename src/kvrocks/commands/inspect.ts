// The look before a node is taken in: is it Kvrocks, in cluster mode, and what does it already belong to.

import { assert } from '../../base/assert.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { NodeId } from '../../topology/types.ts';
import type { CommandWords } from '../link.ts';
import type { Reply } from '../reply.ts';
import { clusterInfo } from './cluster-info.ts';
import { infoServer } from './info-server.ts';
import { myId } from './my-id.ts';

/** A reachable Kvrocks server in cluster mode that accepted the password. */
export interface Inspection {
  readonly kvrocksVersion: string;
  /** Null when the node was never given one. */
  readonly id: NodeId | null;
  /** -1 when the node has no topology: it belongs to no cluster. */
  readonly version: number;
}

export const INSPECT_WORDS: readonly CommandWords[] = [infoServer.words, clusterInfo.words, myId.words];

export function parseInspection(replies: readonly Reply[]): Result<Inspection, NodeError> {
  const [serverReply, infoReply, idReply] = replies;
  assert(
    serverReply !== undefined && infoReply !== undefined && idReply !== undefined,
    'one reply a command',
  );
  const server = infoServer.parse(serverReply);
  if (!server.ok) return server;
  if (!server.value.isClusterEnabled) {
    return err({
      kind: 'clusterDisabled',
      message: 'cluster mode is off: set "cluster-enabled yes" in kvrocks.conf and restart the node',
    });
  }
  const info = clusterInfo.parse(infoReply);
  if (!info.ok) return info;
  const id = myId.parse(idReply);
  if (!id.ok) return id;
  return ok({ kvrocksVersion: server.value.kvrocksVersion, id: id.value, version: info.value.version });
}
