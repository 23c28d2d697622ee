// The other members' way in: their requests, taken straight from the HTTP server and checked before anything is believed.

import type { IncomingMessage, ServerResponse } from 'node:http';

import { unreachable } from '../../base/assert.ts';
import { ByteCollector } from '../../base/byte-collector.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { SharedRoom } from '../../base/shared-room.ts';
import type { ClusterId } from '../cluster-id.ts';
import type { MemberId } from '../core/types.ts';
import type { TransportHandler } from '../ports.ts';
import { openFrame, type Frame, type FrameError, type FrameHead } from './frame.ts';
import { countsOf } from './counters.ts';
import type { PeerIdentity } from './identity-client.ts';
import { decodeMessages } from './message-codec.ts';
import { MessageStreams } from './message-streams.ts';
import { refusal, refusalBody, refusalStatus, SPEAKER_HEADER, speaker, type Refusal } from './refusals.ts';
import { decodeSnapshotPost, SNAPSHOT_BODY_BYTES_MAX } from './snapshot-codec.ts';
import { SnapshotReceiver, type SnapshotReceiverParts } from './snapshot-receiver.ts';

/** Bytes of a frame of messages, at most: far above a frame's target, so that one large entry still fits. */
export const MESSAGES_BYTES_MAX = 8 * 1024 * 1024;
/** Room for all posts that are on their way in, bytes: a frame and a part of a snapshot of three peers. */
const POSTS_ROOM_BYTES = 32 * 1024 * 1024;
/** One line a reason in this time says what is refused; the counters say how often. */
const LOG_INTERVAL_MS = 60_000;

export interface PeerRequestsOptions {
  readonly self: MemberId;
  readonly clusterId: ClusterId;
  readonly snapshotIdleMs: number;
}

export interface PeerRequestsParts extends SnapshotReceiverParts {
  readonly handler: TransportHandler;
  /** Who this member is, for those that want to join. */
  readonly identity: () => PeerIdentity;
  /** Whether the membership has this sender, on that data directory. */
  readonly knows: (head: FrameHead) => boolean;
  /** Where an admitted sender says it takes requests. */
  readonly onAddress: (member: MemberId, address: string) => void;
}

/** A kind of question between members, and who answers it. */
export interface PeerQuestion {
  /** Bytes of its body, at most. */
  readonly bytesMax: number;
  /** The status and the JSON to answer with. Never rejects. */
  readonly answer: (body: Uint8Array) => Promise<{ readonly status: number; readonly body: string }>;
}

/**
 * `POST /raft/messages`: one frame of messages; 204, and each message went to the handler. `POST /raft/snapshot`: some
 * chunks of a snapshot; 200 with what is held now. `GET /raft/identity`: who this member is. Everything else under these
 * paths is refused with a status and a sentence, and counted. Works on Node's own requests: peers send thousands of small
 * posts a second, and a framework's view of each costs as much as the post.
 */
export class PeerRequests {
  readonly #options: PeerRequestsOptions;
  readonly #parts: PeerRequestsParts;
  readonly #receiver: SnapshotReceiver;
  /** Messages on connections that stay: how members really talk. */
  readonly streams: MessageStreams;
  readonly #questions = new Map<string, PeerQuestion>();
  readonly #quietUntilMs = new Map<string, number>();
  readonly #room = new SharedRoom(POSTS_ROOM_BYTES);

  constructor(options: PeerRequestsOptions, parts: PeerRequestsParts) {
    this.#options = options;
    this.#parts = parts;
    this.#receiver = new SnapshotReceiver(options, parts);
    this.streams = new MessageStreams({
      clock: parts.clock,
      bodyBytesMax: MESSAGES_BYTES_MAX,
      take: (frame) => this.#takeMessages(frame),
      refuseHead: (head) => this.#misdirected(head),
      knows: parts.knows,
      onRefused: (refused) => this.#count(refused),
    });
  }

  /** True when the request is a peer's: then it is answered, now or when its body is here. */
  readonly take = (request: IncomingMessage, response: ServerResponse): boolean => {
    const { url, method } = request;
    if (method === 'POST' && url === '/raft/messages') {
      this.#collect(request, response, MESSAGES_BYTES_MAX, (frame) => this.#postedMessages(frame, response));
      return true;
    }
    if (method === 'POST' && url === '/raft/snapshot') {
      this.#collect(request, response, SNAPSHOT_BODY_BYTES_MAX, (frame) =>
        this.#takeSnapshot(frame, response),
      );
      return true;
    }
    const question = method === 'POST' ? this.#questions.get(url ?? '') : undefined;
    if (question !== undefined) {
      this.#collect(request, response, question.bytesMax, async (body) => {
        const { status, body: text } = await question.answer(body);
        this.#answer(response, status, text);
      });
      return true;
    }
    if (method === 'GET' && url === '/raft/identity') {
      this.#answer(response, 200, JSON.stringify(this.#parts.identity()));
      return true;
    }
    return false;
  };

  /** Takes posts at a further path from now on: questions between members that are no business of Raft's. */
  serve(path: string, question: PeerQuestion): void {
    this.#questions.set(path, question);
  }

  /** Drops what has arrived of a snapshot. The server stops the requests. */
  close(): void {
    this.#receiver.close();
    this.streams.close();
  }

  /**
   * Reads a whole body of at most `bytesMax`, which Node holds to its declared length. Memory grows with what arrives, and all that
   * arrive share one room: a post that stands still gives way to others.
   */
  #collect(
    request: IncomingMessage,
    response: ServerResponse,
    bytesMax: number,
    take: (frame: Buffer) => void | Promise<void>,
  ): void {
    const declared = request.headers['content-length'];
    if (declared === undefined) return this.#refuse(response, refusal('lengthRequired'));
    if (Number(declared) > bytesMax) return this.#refuse(response, refusal('tooLarge', `${declared} bytes`));
    const stop = (): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      collector.discard();
      place.leave();
    };
    const crowdedOut = (): void => {
      stop();
      request.resume();
      this.#refuse(response, refusal('crowded'));
    };
    const place = this.#room.enter(crowdedOut);
    const collector = new ByteCollector(place, { bytesMax, bytesDeclared: Number(declared) });
    const onData = (piece: Buffer): void => {
      if (collector.add(piece) !== 'added') crowdedOut();
    };
    const onEnd = (): void => {
      const { buffer } = collector.take();
      place.settle();
      request.off('close', onClose);
      void Promise.resolve(take(Buffer.from(buffer))).finally(() => place.leave());
    };
    const onClose = (): void => {
      stop();
      this.#count(refusal('aborted'));
    };
    request.on('data', onData).on('end', onEnd).on('close', onClose);
    request.on('error', () => undefined);
  }

  #postedMessages(bytes: Buffer, response: ServerResponse): void {
    const taken = this.#takeMessages(bytes);
    if (taken.ok) response.writeHead(204).end();
    else this.#refuse(response, taken.error);
  }

  #takeMessages(bytes: Buffer): Result<FrameHead, Refusal> {
    const { counters, handler } = this.#parts;
    const frame = this.#admit(bytes, MESSAGES_BYTES_MAX);
    if (!frame.ok) return frame;
    const messages = decodeMessages(frame.value);
    if (!messages.ok) return err(refusalOf(messages.error));
    counters.framesReceived += 1;
    counters.messagesReceived += messages.value.length;
    const { head } = frame.value;
    if (this.#parts.knows(head)) countsOf(counters, head.from).received += messages.value.length;
    for (const message of messages.value) handler.onMessage(message);
    return ok(head);
  }

  async #takeSnapshot(bytes: Buffer, response: ServerResponse): Promise<void> {
    const frame = this.#admit(bytes, SNAPSHOT_BODY_BYTES_MAX);
    if (!frame.ok) return this.#refuse(response, frame.error);
    const post = decodeSnapshotPost(frame.value);
    if (!post.ok) return this.#refuse(response, refusalOf(post.error));
    const taken = await this.#receiver.take(frame.value.head.from, post.value);
    if (taken.ok) this.#answer(response, 200, JSON.stringify(taken.value));
    else this.#refuse(response, taken.error);
  }

  /** The frame, if it is meant for this member and its sender may speak to it. */
  #admit(bytes: Buffer, bytesMax: number): Result<Frame, Refusal> {
    const opened = openFrame(bytes, bytesMax);
    if (!opened.ok) return err(refusalOf(opened.error));
    const { head } = opened.value;
    const misdirected = this.#misdirected(head);
    if (misdirected !== null) return err(misdirected);
    const admission = this.#parts.handler.admits(head.from, head.incarnation);
    if (admission !== 'yes') return err(refusal(admission, senderOf(head)));
    this.#parts.onAddress(head.from, head.address);
    return ok(opened.value);
  }

  /** Why a frame with this head is none of ours; says nothing about whether its sender may speak. */
  #misdirected(head: FrameHead): Refusal | null {
    const { clusterId, to } = head;
    const { self, clusterId: own } = this.#options;
    const sender = senderOf(head);
    if (clusterId !== own)
      return refusal('foreignCluster', `${sender}, cluster ${clusterId}; here is ${own}`);
    if (to !== self)
      return refusal('wrongRecipient', `${sender} asked for member ${to}; here is member ${self}`);
    return null;
  }

  #refuse(response: ServerResponse, refused: Refusal): void {
    this.#count(refused);
    this.#answer(response, refusalStatus(refused.reason), refusalBody(refused));
  }

  #answer(response: ServerResponse, status: number, body: string): void {
    const { clusterId, self } = this.#options;
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      [SPEAKER_HEADER]: speaker(clusterId, self),
      ...(status === 503 ? { 'retry-after': '1' } : {}),
    });
    response.end(body);
  }

  #count({ reason, detail }: Refusal): void {
    const { counters, clock, logger } = this.#parts;
    counters.refused[reason] += 1;
    const nowMs = clock.monotonicMs();
    if (nowMs < (this.#quietUntilMs.get(reason) ?? Number.NEGATIVE_INFINITY)) return;
    this.#quietUntilMs.set(reason, nowMs + LOG_INTERVAL_MS);
    logger.warn('raft.request.refused', { reason, detail });
  }
}

function senderOf({ from, address }: FrameHead): string {
  return `member ${from} at ${printable(address)}`;
}

/** What came in a frame, for logs and answers: anybody may have written it. */
function printable(text: string): string {
  return text.replaceAll(/[^\w.:[\]-]/g, '?');
}

function refusalOf(error: FrameError): Refusal {
  switch (error.kind) {
    case 'version':
      return refusal('version', `the request has version ${error.version}`);
    case 'unknownFrame':
      return refusal('unknownFrame', `kind ${error.code}`);
    case 'tooLarge':
      return refusal('tooLarge', `${error.bytes} bytes`);
    case 'malformed':
      return refusal('malformed', error.reason);
    case 'notAFrame':
    case 'truncated':
    case 'checksum':
      return refusal(error.kind);
    default:
      return unreachable(error);
  }
}
