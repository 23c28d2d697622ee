// What both ends of a message stream agree on: how it is asked for, how frames are cut from it, what flows back.

import type { IncomingMessage } from 'node:http';

import { frameBytes, mayBeFrame } from './frame.ts';

/** Where a stream is asked for, and the protocol the connection then switches to (RFC 9110, section 7.8). */
export const STREAM_PATH = '/raft/stream';
export const STREAM_PROTOCOL = 'kvrocks-controller-raft';

/**
 * Milliseconds of silence after which the kernel asks whether the other end is still there, every second and ten times before it
 * gives the connection up. It also keeps an idle link known to whatever counts connections on the way.
 */
export const KEEP_ALIVE_MS = 15_000;

/** True for the request that opens a stream. */
export function opensStream({ method, url, headers }: IncomingMessage): boolean {
  return method === 'GET' && url === STREAM_PATH && headers.upgrade === STREAM_PROTOCOL;
}

/**
 * What the receiver says: 204 and how many bytes of the stream have arrived, now and then while all is well; or once the status
 * and the sentence of a refusal, and then the end. Both are those of a refused request.
 */
export interface StreamAnswer {
  readonly status: number;
  readonly received: number;
  readonly text: string;
}

export const TAKEN = 204;

/** Status (uint16), bytes received (uint48), length of the text (uint16), text; integers big-endian. */
const FIXED_BYTES = 10;
const AT = { received: 2, textBytes: 8 };
const TEXT_BYTES_MAX = 4096;

export function encodeAnswer({ status, received, text }: StreamAnswer): Buffer {
  const encodedText = Buffer.from(text).subarray(0, TEXT_BYTES_MAX);
  const answer = Buffer.allocUnsafe(FIXED_BYTES);
  answer.writeUInt16BE(status, 0);
  answer.writeUIntBE(received, AT.received, 6);
  answer.writeUInt16BE(encodedText.length, AT.textBytes);
  return encodedText.length === 0 ? answer : Buffer.concat([answer, encodedText]);
}

/** Cuts what flows back into answers. Keeps less than one answer. */
export class AnswerReader {
  #pending: Buffer = Buffer.alloc(0);

  /** The answers that `chunk` completes. */
  push(chunk: Buffer): readonly StreamAnswer[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const answers: StreamAnswer[] = [];
    while (this.#pending.length >= FIXED_BYTES) {
      const end = FIXED_BYTES + this.#pending.readUInt16BE(AT.textBytes);
      if (this.#pending.length < end) break;
      answers.push({
        status: this.#pending.readUInt16BE(0),
        received: this.#pending.readUIntBE(AT.received, 6),
        text: this.#pending.toString('utf8', FIXED_BYTES, end),
      });
      this.#pending = this.#pending.subarray(end);
    }
    return answers;
  }
}

/**
 * Cuts a stream into frames by what their heads declare. Holds at most one incomplete frame and one chunk; the bytes of a frame
 * are joined once, when it is whole.
 */
export class FrameCutter {
  readonly #bodyBytesMax: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Fewer bytes than this hold no whole frame. */
  #bytesNeeded = 1;

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** Bytes held; after `next` found no more, those of the frame that is not whole yet. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /** The beginning of the frame that is not whole yet, with all of its head that is here; null when none has begun. */
  get begun(): Buffer | null {
    return this.#chunks[0] ?? null;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /**
   * The next frame; null when more bytes are needed. What cannot become a frame is handed out as it is: whoever opens it finds the
   * reason, and the stream ends there.
   */
  next(): Buffer | null {
    if (this.#bytes < this.#bytesNeeded) return null;
    const all = this.#joined();
    if (!mayBeFrame(all, this.#bodyBytesMax)) return this.#take(all, all.length);
    const length = frameBytes(all);
    if (length !== null && all.length >= length) return this.#take(all, length);
    this.#bytesNeeded = length ?? all.length + 1;
    return null;
  }

  #joined(): Buffer {
    const [only] = this.#chunks;
    const all = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  #take(all: Buffer, length: number): Buffer {
    this.#chunks = length === all.length ? [] : [all.subarray(length)];
    this.#bytes = all.length - length;
    this.#bytesNeeded = 1;
    return all.subarray(0, length);
  }
}
