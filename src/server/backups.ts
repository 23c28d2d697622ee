// Backups for the API: confirmed as the leader's, then streamed from the state as it is at that moment.

import type { Backups } from '../api/ports.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { err, ok } from '../base/result.ts';
import { backupFile } from '../raft/snapshot/backup.ts';
import type { StateCut } from '../raft/snapshotter.ts';
import type { Registry } from '../registry/registry.ts';

/** Downloads at a time: each holds the values that changed since it began until its client has read it. */
const OPEN_MAX = 2;
/** Milliseconds in which a client must take a piece of at most 64 KiB: whoever stands still must not keep others out. */
const IDLE_MS_MAX = 60_000;

export interface BackupParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A backup was read to its end. */
  readonly onDone: () => void;
}

/** `cut` gives the state as applied here; null for a moment while it is exchanged, which a leader's never is. */
export function openBackups(
  registry: Pick<Registry, 'linearize'>,
  source: { cut(): StateCut | null },
  { clock, logger, onDone }: BackupParts,
): Backups {
  let open = 0;
  return {
    async open() {
      const confirmed = await registry.linearize();
      if (!confirmed.ok) return confirmed;
      if (open >= OPEN_MAX) return err({ kind: 'overloaded' });
      const cut = source.cut();
      if (cut === null) return err({ kind: 'notLeader' });
      const fileName = `kvrocks-controller-${cut.meta.index}.snapshot`;
      const broken = new AbortController();
      open += 1;
      const content = streamOf(backupFile(cut.meta, cut.chunks), clock, (problem) => {
        open -= 1;
        if (problem === 'read') onDone();
        if (problem === 'read' || problem === 'left') return;
        logger.warn('backup.broken_off', { fileName, reason: problem.message });
        broken.abort(problem);
      });
      return ok({ fileName, content, broken: broken.signal });
    },
  };
}

/**
 * Pulls a piece whenever the reader has room for one, so that nothing piles up here. However it ends, `onEnd` is called exactly
 * once: `read` to its end, `left` by the reader, not to be made whole, or left standing too long.
 */
function streamOf(
  pieces: Iterator<Uint8Array>,
  clock: Clock,
  onEnd: (how: Error | 'read' | 'left') => void,
): ReadableStream<Uint8Array> {
  let idle: Timer | null = null;
  let isOver = false;
  const end = (how: Error | 'read' | 'left'): void => {
    if (isOver) return;
    isOver = true;
    idle?.cancel();
    onEnd(how);
  };
  const waitForReader = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    idle?.cancel();
    idle = clock.setTimer(IDLE_MS_MAX, () => {
      const problem = new Error(`the client took nothing of the backup for ${IDLE_MS_MAX / 1000} s`);
      end(problem);
      controller.error(problem);
      pieces.return?.();
    });
  };
  return new ReadableStream(
    {
      pull(controller) {
        try {
          const next = pieces.next();
          if (next.done === true) {
            end('read');
            controller.close();
            return;
          }
          controller.enqueue(next.value);
          waitForReader(controller);
        } catch (error) {
          end(error instanceof Error ? error : new Error(String(error)));
          throw error;
        }
      },
      cancel() {
        end('left');
        pieces.return?.();
      },
    },
    { highWaterMark: 1 },
  );
}
