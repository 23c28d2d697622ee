// Replaces the whole state by a snapshot file: while running, and at start when the state is behind the log.

import { assert } from '../base/assert.ts';
import type { Done, SnapshotFile, SnapshotStore, StateMachine } from './ports.ts';

/**
 * Reads `file` into the state machine; `done(null)` means the new state is visible and durable. Until then the old
 * state stays, so a crash leaves one or the other.
 */
export function restoreState(
  parts: { readonly snapshots: SnapshotStore; readonly stateMachine: StateMachine },
  file: SnapshotFile,
  done: Done,
): void {
  const { snapshots, stateMachine } = parts;
  const restore = stateMachine.restore(file.meta);
  snapshots.load(
    file,
    (chunk) => restore.chunk(chunk),
    (loadError) => {
      if (loadError !== null) {
        restore.abort();
        done(loadError);
        return;
      }
      restore.finish((error) => {
        assert(
          error !== null || stateMachine.applied === file.meta.index,
          'a restored state stands where its snapshot was taken',
        );
        done(error);
      });
    },
  );
}
