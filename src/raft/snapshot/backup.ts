// A consistent state as a file that leaves this machine: the bytes of a snapshot file, which verify themselves.

import { crc32 } from 'node:zlib';

import type { SnapshotMeta } from '../core/types.ts';
import { encodeChunk, encodeHeader, encodeTrailer } from './format.ts';

/**
 * The file of a state, piece by piece of at most 64 KiB and a header, as fast as they are pulled. `chunks` are those of
 * `StateMachine.snapshot`: the state may go on meanwhile. A file that was not pulled to its end has no trailer and is refused
 * as damaged, however it came to be short.
 */
export function* backupFile(
  meta: SnapshotMeta,
  chunks: Iterable<Uint8Array>,
): Generator<Uint8Array, undefined> {
  let fileCrc = 0;
  let count = 0;
  let payloadBytes = 0;
  const counted = (bytes: Buffer): Buffer => {
    fileCrc = crc32(bytes, fileCrc);
    return bytes;
  };
  yield counted(encodeHeader(meta));
  for (const chunk of chunks) {
    count += 1;
    payloadBytes += chunk.length;
    yield counted(encodeChunk(chunk));
  }
  yield encodeTrailer({ chunks: count, payloadBytes, fileCrc });
}
