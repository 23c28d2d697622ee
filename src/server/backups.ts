// Backups for the API: confirmed as the leader's, then streamed from the state as it is at that moment.

import type { Backups } from '../api/ports.ts';
import { err, ok } from '../base/result.ts';
import { backupFile } from '../raft/snapshot/backup.ts';
import type { StateCut } from '../raft/snapshotter.ts';
import type { Registry } from '../registry/registry.ts';

/** Downloads at a time: each holds the values that changed since it began until its client has read it. */
const OPEN_MAX = 2;

/** `cut` gives the state as applied here; null for a moment while it is exchanged, which a leader's never is. */
export function openBackups(
  registry: Pick<Registry, 'linearize'>,
  source: { cut(): StateCut | null },
): Backups {
  let open = 0;
  return {
    async open() {
      const confirmed = await registry.linearize();
      if (!confirmed.ok) return confirmed;
      const cut = source.cut();
      if (cut === null) return err({ kind: 'notLeader' });
      if (open >= OPEN_MAX) return err({ kind: 'overloaded' });
      open += 1;
      const content = streamOf(backupFile(cut.meta, cut.chunks), () => {
        open -= 1;
      });
      return ok({ fileName: `kvrocks-controller-${cut.meta.index}.snapshot`, content });
    },
  };
}

/** Pulls a piece whenever the reader has room for one, so that nothing piles up here; `onEnd` is called once. */
function streamOf(pieces: Iterator<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      pull(controller) {
        const next = pieces.next();
        if (next.done !== true) {
          controller.enqueue(next.value);
          return;
        }
        onEnd();
        controller.close();
      },
      cancel() {
        pieces.return?.();
        onEnd();
      },
    },
    { highWaterMark: 1 },
  );
}
