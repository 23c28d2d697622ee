// The end of a member that has no place in its group any more.

import { unreachable } from '../base/assert.ts';
import type { Config } from '../config/config.ts';
import type { ExpulsionReason } from '../raft/ports.ts';
import { markRemoved } from '../raft/wal/identity.ts';
import { nodeFileSystem } from '../raft/wal/node-file-system.ts';
import { taskPromise } from '../raft/wal/task.ts';

/** How the process is to end once the member is closed. */
export interface End {
  /** 0: as somebody wished. 1: somebody has to do something. */
  readonly exitCode: 0 | 1;
  /** Of the log line. */
  readonly event: 'controller.removed' | 'controller.refused_by_group';
  /** What happened and what to do, in one line. */
  readonly message: string;
  /** Makes the end last: to be awaited before the process ends. */
  readonly record: () => Promise<void>;
}

/** What becomes of this member, and what it says, when its group does not let it take part any more. */
export function expulsionEnd({ raft }: Config, reason: ExpulsionReason): End {
  const { id, dataDir } = raft;
  switch (reason) {
    case 'removed':
      return {
        exitCode: 0,
        event: 'controller.removed',
        message: `member ${id} was removed from its group and stops; its data directory ${dataDir} can be deleted`,
        record: () => taskPromise(markRemoved(nodeFileSystem, dataDir)),
      };
    case 'otherIncarnation':
      return {
        exitCode: 1,
        event: 'controller.refused_by_group',
        message:
          `member ${id} of this group has another data directory: ${dataDir} was emptied or exchanged, and what was promised there is forgotten. ` +
          `Bring the old directory back; or remove the member with POST /api/v1/raft/peers {"id":${id},"operation":"remove"} and start again ` +
          `with an empty data directory, a raft.id that was never used and raft.cluster_state: existing, then add that`,
        record: () => Promise.resolve(),
      };
    default:
      return unreachable(reason);
  }
}
