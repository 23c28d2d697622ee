// Backups that come in over HTTP to be judged: one at a time, read as they come, and let go.

import type { Readable } from 'node:stream';

import type { BackupVerifier } from '../api/ports.ts';
import { findingLines } from '../backup/report.ts';
import { readBackupTask } from '../backup/read-backup.ts';
import { err, ok } from '../base/result.ts';
import { taskPromise } from '../raft/wal/task.ts';
import { IncomingBackup, TooManyBytes } from './incoming-backup.ts';

/** A hundred times the state of a thousand nodes; what is larger can be verified offline. */
const BYTES_MAX = 64 * 1024 * 1024;
/** The state that a backup holds is in memory until it is judged. */
const OPEN_MAX = 1;

export function createBackupVerifier({ bytesMax = BYTES_MAX } = {}): BackupVerifier {
  let open = 0;
  return {
    async verify(body: Readable) {
      if (open >= OPEN_MAX) return err({ kind: 'overloaded' });
      open += 1;
      try {
        const incoming = new IncomingBackup(body, bytesMax);
        const read = await taskPromise(readBackupTask(incoming, 'the body'));
        // Whoever is answered before it has sent everything may never see the answer.
        await incoming.drain();
        if (!read.ok)
          return err({ kind: 'refused', reason: `the backup is not to be used: ${read.error.reason}` });
        const lines = findingLines(read.value);
        if (lines.length === 0) return ok(read.value);
        return err({ kind: 'refused', reason: `the backup contradicts itself: ${lines.join('; ')}` });
      } catch (error) {
        if (error instanceof TooManyBytes) return err({ kind: 'tooLarge', bytesMax });
        throw error;
      } finally {
        open -= 1;
      }
    },
  };
}
