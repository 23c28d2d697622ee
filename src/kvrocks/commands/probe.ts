// One look at a node: CLUSTER INFO, CLUSTERX MYID and INFO replication in one write.

import { assert } from '../../base/assert.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError, NodeReport } from '../../control/observation.ts';
import type { CommandWords } from '../link.ts';
import type { Reply } from '../reply.ts';
import { clusterInfo } from './cluster-info.ts';
import { infoReplication } from './info-replication.ts';
import { myId } from './my-id.ts';

export const PROBE_WORDS: readonly CommandWords[] = [clusterInfo.words, myId.words, infoReplication.words];

/** The three replies as one report; the first that failed is the failure of the look. */
export function parseProbe(replies: readonly Reply[]): Result<NodeReport, NodeError> {
  const [infoReply, idReply, replicationReply] = replies;
  assert(
    infoReply !== undefined && idReply !== undefined && replicationReply !== undefined,
    'one reply a command',
  );
  const info = clusterInfo.parse(infoReply);
  if (!info.ok) return err(info.error);
  const id = myId.parse(idReply);
  if (!id.ok) return err(id.error);
  const replication = infoReplication.parse(replicationReply);
  if (!replication.ok) return err(replication.error);
  return ok({
    id: id.value,
    ...info.value,
    ...replication.value,
    login: 'accepted',
    emptiesBeforeFullSync: null,
  });
}
