// The look before a node is taken in: is it Kvrocks, in cluster mode, what does it already belong to, and which data has it.

import { present } from '../../base/assert.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Secret } from '../../base/secret.ts';
import type { NodeError, SourceJob, TargetJob } from '../../control/observation.ts';
import type { NodeAddress, NodeId, NodeRole } from '../../topology/types.ts';
import type { CommandWords } from '../link.ts';
import type { Reply } from '../reply.ts';
import { clusterInfo } from './cluster-info.ts';
import { followed, followedAddress, masterAuth } from './config-get.ts';
import { infoServer } from './info-server.ts';
import { myId } from './my-id.ts';
import { type NodeSettings, parseSettings, SETTINGS_WORDS } from './settings.ts';

/** A reachable Kvrocks server in cluster mode that accepted the password. */
export interface Inspection {
  readonly kvrocksVersion: string;
  /** Null when the node was never given one. */
  readonly id: NodeId | null;
  /** -1 when the node has no topology: it belongs to no cluster. */
  readonly version: number;
  readonly role: NodeRole;
  /** Whom a replica follows; null on a master. */
  readonly master: NodeAddress | null;
  /**
   * The node's own sequence number. Only 0 is a node without data: neither FLUSHALL nor CLUSTER RESET takes it back (facts
   * section 14). Null when the node does not tell, or must not be asked (facts section 3.4).
   */
  readonly sequence: number | null;
  /** Of the server; together with the uptime it tells one process from the next. Null when not told. */
  readonly processId: number | null;
  readonly uptimeSeconds: number | null;
  readonly settings: NodeSettings;
  /** With what it logs in at a master; null when it does not tell. */
  readonly masterAuth: Secret | null;
  /** Its last or current moves of slots, out and in; null when it remembers none. */
  readonly sourceJob: SourceJob | null;
  readonly targetJob: TargetJob | null;
}

/** What is asked first: nothing of it touches the data. */
export const INSPECT_WORDS: readonly CommandWords[] = [
  infoServer.words,
  clusterInfo.words,
  myId.words,
  followed.words,
  masterAuth.words,
  ...SETTINGS_WORDS,
];

/** `role` and `master` as far as the settings tell them, and no sequence yet. */
export function parseInspection(replies: readonly Reply[]): Result<Inspection, NodeError> {
  const [serverReply, infoReply, idReply, followedReply, authReply, ...settingReplies] = replies;
  const server = infoServer.parse(present(serverReply, 'one reply a command'));
  if (!server.ok) return server;
  if (!server.value.isClusterEnabled) {
    return err({
      kind: 'clusterDisabled',
      message: 'cluster mode is off: set "cluster-enabled yes" in kvrocks.conf and restart the node',
    });
  }
  const info = clusterInfo.parse(present(infoReply, 'one reply a command'));
  if (!info.ok) return info;
  const id = myId.parse(present(idReply, 'one reply a command'));
  if (!id.ok) return id;
  const master = followedAddress(followed.parse(present(followedReply, 'one reply a command')));
  const auth = masterAuth.parse(present(authReply, 'one reply a command'));
  const { kvrocksVersion, processId, uptimeSeconds } = server.value;
  return ok({
    kvrocksVersion,
    id: id.value,
    version: info.value.version,
    role: master === null ? 'master' : 'replica',
    master,
    sequence: null,
    processId,
    uptimeSeconds,
    settings: parseSettings(settingReplies),
    masterAuth: auth.ok ? auth.value : null,
    sourceJob: info.value.sourceJob,
    targetJob: info.value.targetJob,
  });
}
