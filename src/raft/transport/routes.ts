// The peers' way in: two routes, to be mounted at `/raft`.

import { Hono, type Context } from 'hono';

import { unreachable } from '../../base/assert.ts';
import type { RefusalReason } from './counters.ts';
import { decodeMessages } from './message-codec.ts';
import {
  SnapshotReceiver,
  type ReceptionError,
  type SnapshotReceiverOptions,
  type SnapshotReceiverParts,
} from './snapshot-receiver.ts';

/** Bytes of one request of messages, at most: far above a frame's target, so that one large entry still fits. */
export const MESSAGES_BYTES_MAX = 8 * 1024 * 1024;

export type RaftRoutesOptions = SnapshotReceiverOptions;
export type RaftRoutesParts = SnapshotReceiverParts;

/**
 * `POST /messages`: one frame of messages; 204, and each message went to the handler. `POST /snapshot`: a stream of
 * frames; 204 when the snapshot lies verified on disk. 400 for what is no frame of ours, 403 for a sender that is no
 * member, 409 for a second transfer of one sender, 411 without a length, 413 for too large a frame, 421 for another
 * recipient, 500 when the disk failed. No body; peers only count failures, people read the log.
 */
export function raftRoutes(options: RaftRoutesOptions, parts: RaftRoutesParts): Hono {
  const app = new Hono();
  const receiver = new SnapshotReceiver(options, parts);
  app.post('/messages', (context) => takeMessages(context, options, parts));
  app.post('/snapshot', (context) => takeSnapshot(context, receiver, parts));
  return app;
}

async function takeMessages(
  context: Context,
  options: RaftRoutesOptions,
  parts: RaftRoutesParts,
): Promise<Response> {
  const { counters, handler } = parts;
  const refuse = (reason: RefusalReason): Response => {
    counters.refused[reason] += 1;
    return context.body(null, statusOf(reason));
  };
  // A declared length is what Node enforces while reading, so the whole body may be read at once.
  const declared = context.req.header('content-length');
  if (declared === undefined) return context.body(null, 411);
  if (Number(declared) > MESSAGES_BYTES_MAX) return refuse('tooLarge');
  let frame: ArrayBuffer;
  try {
    frame = await context.req.arrayBuffer();
  } catch {
    return refuse('aborted');
  }
  const decoded = decodeMessages(new Uint8Array(frame), MESSAGES_BYTES_MAX);
  if (!decoded.ok) return refuse(decoded.error.kind);
  const { from, to, messages } = decoded.value;
  if (to !== options.self) return refuse('wrongRecipient');
  if (!options.isMember(from)) return refuse('unknownSender');
  counters.framesReceived += 1;
  counters.messagesReceived += messages.length;
  for (const message of messages) handler.onMessage(message);
  return context.body(null, 204);
}

async function takeSnapshot(
  context: Context,
  receiver: SnapshotReceiver,
  parts: RaftRoutesParts,
): Promise<Response> {
  const { body } = context.req.raw;
  if (body === null) return context.body(null, 400);
  const received = await receiver.receive(body);
  return received.ok ? context.body(null, 204) : refuseSnapshot(context, received.error, parts);
}

function refuseSnapshot(context: Context, error: ReceptionError, parts: RaftRoutesParts): Response {
  const { counters, logger } = parts;
  switch (error.kind) {
    case 'refused':
      counters.refused[error.reason] += 1;
      logger.warn('raft.snapshot.refused', { reason: error.reason });
      return context.body(null, statusOf(error.reason));
    case 'aborted':
      counters.refused.aborted += 1;
      logger.warn('raft.snapshot.aborted', { reason: error.message });
      return context.body(null, 400);
    case 'disk':
      logger.error('raft.snapshot.receive_failed', { reason: error.error.message });
      return context.body(null, 500);
    default:
      return unreachable(error);
  }
}

function statusOf(reason: RefusalReason): 400 | 403 | 409 | 413 | 421 {
  switch (reason) {
    case 'notAFrame':
    case 'version':
    case 'unknownFrame':
    case 'truncated':
    case 'checksum':
    case 'malformed':
    case 'aborted':
      return 400;
    case 'tooLarge':
      return 413;
    case 'wrongRecipient':
      return 421;
    case 'unknownSender':
      return 403;
    case 'busy':
      return 409;
    default:
      return unreachable(reason);
  }
}
