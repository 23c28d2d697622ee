// One look at a node: CLUSTER INFO, CLUSTERX MYID and INFO replication.

import { present } from '../../base/assert.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError, NodeReport } from '../../control/observation.ts';
import type { NodeId } from '../../topology/types.ts';
import type { CommandWords } from '../link.ts';
import type { Reply } from '../reply.ts';
import { type ClusterInfo, clusterInfo } from './cluster-info.ts';
import { infoReplication } from './info-replication.ts';
import { myId } from './my-id.ts';

/** Safe in every state of a node. */
export const PLACE_WORDS: readonly CommandWords[] = [clusterInfo.words, myId.words];

/** Touches the data, which a replica may have lost in a failed full sync (facts section 3.4). */
export const POSITION_WORDS: CommandWords = infoReplication.words;

export const PROBE_WORDS: readonly CommandWords[] = [...PLACE_WORDS, POSITION_WORDS];

/** Which place in the topology a node believes to have. */
export interface Place extends ClusterInfo {
  readonly id: NodeId | null;
}

export type Position = Omit<
  NodeReport,
  keyof Place | 'login' | 'emptiesBeforeFullSync' | 'diskUsedPercent' | 'isFenced' | 'topology'
>;

/**
 * The first of the two that failed is the failure of the look, but that a server does not know CLUSTERX says more than
 * whatever it thinks of CLUSTER INFO.
 */
export function parsePlace(replies: readonly Reply[]): Result<Place, NodeError> {
  const [infoReply, idReply] = replies;
  const id = myId.parse(present(idReply, 'one reply a command'));
  if (!id.ok && id.error.kind === 'notKvrocks') return err(id.error);
  const info = clusterInfo.parse(present(infoReply, 'one reply a command'));
  if (!info.ok) return err(info.error);
  if (!id.ok) return err(id.error);
  return ok({ id: id.value, ...info.value });
}

export function parsePosition(reply: Reply): Result<Position, NodeError> {
  return infoReplication.parse(reply);
}
