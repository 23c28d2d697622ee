// The bodies of requests on their way in: read as they come, bounded each and together.

import type { Readable } from 'node:stream';

import { ByteCollector } from '../base/byte-collector.ts';
import { SharedRoom, type RoomPlace } from '../base/shared-room.ts';
import { ApiError, tooLarge } from './errors.ts';

/** Largest request body, bytes (contract, *Answers*). */
export const BODY_BYTES_MAX = 1024 * 1024;
/** A body that announces no more than this is a small one: nearly every request. */
const SMALL_BYTES_MAX = 16 * 1024;
/** Room for all small bodies, bytes; large ones never take from it, nor the other way round. */
const SMALL_ROOM_BYTES = 16 * 1024 * 1024;
/** Room for all others, bytes: a hundred times what any client needs at once, and little enough to always have. */
const LARGE_ROOM_BYTES = 64 * 1024 * 1024;

/** A body that is here, and counts until `release`. */
export interface HeldBody {
  readonly text: string;
  release(): void;
}

/** A client that was gone before its request was whole: nobody's failure, and nobody is there to be told. */
export class ClientLeftError extends Error {
  override readonly name = 'ClientLeftError';
}

/** Owns the memory of all bodies of the API. */
export class RequestBodies {
  readonly #small = new SharedRoom(SMALL_ROOM_BYTES);
  readonly #large = new SharedRoom(LARGE_ROOM_BYTES);
  readonly #decoder = new TextDecoder();

  /**
   * Reads `source` to its end. `bytesDeclared` is the announced length, null when there is none. Rejects with `ApiError` when the body is too
   * large, or lost its place to newer ones, and with `ClientLeftError`.
   */
  async read(source: Readable, bytesDeclared: number | null): Promise<HeldBody> {
    const isSmall = bytesDeclared !== null && bytesDeclared <= SMALL_BYTES_MAX;
    const lost = new AbortController();
    const place = (isSmall ? this.#small : this.#large).enter(() => lost.abort());
    try {
      const bytes = await collect(source, { place, bytesDeclared, lost: lost.signal });
      place.settle();
      return { text: this.#decoder.decode(bytes), release: () => place.leave() };
    } catch (error) {
      place.leave();
      throw error;
    }
  }
}

interface Collection {
  readonly place: RoomPlace;
  readonly bytesDeclared: number | null;
  readonly lost: AbortSignal;
}

function collect(source: Readable, { place, bytesDeclared, lost }: Collection): Promise<Uint8Array> {
  const collector = new ByteCollector(place, { bytesMax: BODY_BYTES_MAX, bytesDeclared });
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      source.off('data', onData).off('end', onEnd).off('close', onClose);
      lost.removeEventListener('abort', onLost);
    };
    const fail = (error: Error): void => {
      stop();
      // Whoever answers decides what becomes of the rest.
      source.pause();
      reject(error);
    };
    const onData = (piece: Uint8Array): void => {
      const outcome = collector.add(piece);
      if (outcome === 'tooLarge') fail(tooLarge(BODY_BYTES_MAX));
      else if (outcome === 'noRoom') fail(crowded());
    };
    const onEnd = (): void => {
      stop();
      resolve(collector.bytes);
    };
    const onClose = (): void => fail(new ClientLeftError('the client left before its request was whole'));
    const onLost = (): void => fail(crowded());
    source.on('data', onData).on('end', onEnd).on('close', onClose);
    source.on('error', () => undefined);
    lost.addEventListener('abort', onLost);
    if (source.destroyed) onClose();
  });
}

function crowded(): ApiError {
  return new ApiError(
    'overloaded',
    'too many large or slow requests are on their way here, please retry later',
  );
}
