// Messages to bytes and back: one frame carries everything that waited for one peer.

import { assert, unreachable } from '../../base/assert.ts';
import type { Result } from '../../base/result.ts';
import type { AppendRequest, Message, MessageKind } from '../core/messages.ts';
import { logIndex, type Entry, type LogPosition, type Term } from '../core/types.ts';
import {
  entryKindCode,
  MalformedError,
  readBoolean,
  readBytes,
  readEntryKind,
  readFields,
  readIndex,
  readNumber,
  readPosition,
  readTerm,
  type Fields,
} from './fields.ts';
import type { Frame, FrameError, FrameHead, FrameSealer } from './frame.ts';
import { decodeBody, malformed, packBody, type BodyLimits } from './message-pack.ts';

/** Bytes, estimated by `messageBytes`, after which a link closes a frame; one larger message still travels alone. */
export const FRAME_BYTES_TARGET = 1024 * 1024;

/** What an entry is estimated to take besides its payload. */
const ENTRY_OVERHEAD_BYTES = 24;

/** Messages in one frame, at most. */
const MESSAGES_MAX = 4096;

/** Entries in one frame, at most: as many without payload fill it. A message alone holds the 512 that the core puts into one. */
const ENTRIES_MAX = Math.floor(FRAME_BYTES_TARGET / ENTRY_OVERHEAD_BYTES);

/**
 * A message is a list of up to six values, an entry one of three; the list itself counts too. No frame has all its messages and all
 * its entries, so later releases have room to append fields.
 */
const LIMITS: BodyLimits = {
  valuesMax: MESSAGES_MAX * 7 + ENTRIES_MAX * 4,
  binariesMax: ENTRIES_MAX,
};

/** Codes on the wire. Never reused; an unknown code refuses the whole frame. */
const CODES = {
  preVoteRequest: 1,
  preVoteReply: 2,
  voteRequest: 3,
  voteReply: 4,
  appendRequest: 5,
  appendAccepted: 6,
  appendRejected: 7,
  heartbeat: 8,
  heartbeatReply: 9,
  timeoutNow: 10,
} as const satisfies Record<MessageKind, number>;

/** The frame of `messages`, all of which go from the sealer's sender to its recipient. Asserts that they do. */
export function encodeMessages(sealer: FrameSealer, messages: readonly Message[]): Buffer {
  const { from, to, incarnation } = sealer.head;
  const fields = messages.map((message) => {
    const fits = message.from === from && message.to === to && message.incarnation === incarnation;
    assert(fits, 'one frame goes from one member to one other');
    return messageFields(message);
  });
  return sealer.seal('messages', packBody(sealer, fields));
}

/** Roughly the bytes `message` takes in a frame, for limits: payloads exactly, the rest rounded up. */
export function messageBytes(message: Message): number {
  if (message.kind !== 'appendRequest') return 64;
  return message.entries.reduce((bytes, entry) => bytes + entry.data.byteLength + ENTRY_OVERHEAD_BYTES, 64);
}

/** Reads a frame of messages. Never throws: whatever a peer sends, the answer is messages or a reason. */
export function decodeMessages(frame: Frame): Result<readonly Message[], FrameError> {
  if (frame.kind !== 'messages') return malformed('not a frame of messages');
  return decodeBody(frame.body, LIMITS, (value) => readMessages(value, frame.head));
}

function messageFields(message: Message): Fields {
  const head = [CODES[message.kind], message.term];
  switch (message.kind) {
    case 'voteRequest':
      return [...head, message.last.index, message.last.term, message.transfer];
    case 'preVoteRequest':
    case 'timeoutNow':
      return [...head, message.last.index, message.last.term];
    case 'preVoteReply':
    case 'voteReply':
      return [...head, message.granted];
    case 'appendRequest':
      return [...head, message.previous.index, message.previous.term, message.commit, entryFields(message)];
    case 'appendAccepted':
      return [...head, message.matched];
    case 'appendRejected':
      return [...head, message.probed, message.hint.index, message.hint.term];
    case 'heartbeat':
      return [...head, message.commit, message.readRound];
    case 'heartbeatReply':
      return [...head, message.readRound];
    default:
      return unreachable(message);
  }
}

/** Indexes are not sent: entries continue `previous` without a gap, so the receiver counts them itself. */
function entryFields(message: AppendRequest): Fields {
  assert(message.entries.length <= ENTRIES_MAX, 'the receiver takes as many entries');
  return message.entries.map((entry, offset) => {
    assert(entry.index === message.previous.index + 1 + offset, 'entries continue the previous one');
    return [entryKindCode(entry.kind), entry.term, entry.data];
  });
}

/** What the head of a frame says about each message in it. */
type Ends = Pick<FrameHead, 'from' | 'to' | 'incarnation'>;

function readMessages(value: unknown, { from, to, incarnation }: FrameHead): readonly Message[] {
  const list = readFields(value, 0, 'messages');
  if (list.length > MESSAGES_MAX) throw new MalformedError(`more than ${MESSAGES_MAX} messages`);
  return list.map((fields) => readMessage(readFields(fields, 3, 'message'), { from, to, incarnation }));
}

function readMessage(fields: Fields, ends: Ends): Message {
  const [code, termField, first, second, third, fourth] = fields;
  const head = { ...ends, term: readTerm(termField, 'term') };
  switch (readNumber(code, 'message kind')) {
    case CODES.preVoteRequest:
      return { kind: 'preVoteRequest', ...head, last: readPosition(first, second, 'last') };
    case CODES.preVoteReply:
      return { kind: 'preVoteReply', ...head, granted: readBoolean(first, 'granted') };
    case CODES.voteRequest: {
      const last = readPosition(first, second, 'last');
      return { kind: 'voteRequest', ...head, last, transfer: readBoolean(third, 'transfer') };
    }
    case CODES.voteReply:
      return { kind: 'voteReply', ...head, granted: readBoolean(first, 'granted') };
    case CODES.appendRequest: {
      const previous = readPosition(first, second, 'previous');
      const entries = readEntries(fourth, previous, head.term);
      return { kind: 'appendRequest', ...head, previous, entries, commit: readIndex(third, 'commit') };
    }
    case CODES.appendAccepted:
      return { kind: 'appendAccepted', ...head, matched: readIndex(first, 'matched') };
    case CODES.appendRejected: {
      // A hint below the receiver's base names no known entry, so its term is not tied to its index.
      const hint = { index: readIndex(second, 'hint index'), term: readTerm(third, 'hint term') };
      return { kind: 'appendRejected', ...head, probed: readIndex(first, 'probed'), hint };
    }
    case CODES.heartbeat: {
      const commit = readIndex(first, 'commit');
      return { kind: 'heartbeat', ...head, commit, readRound: readNumber(second, 'read round') };
    }
    case CODES.heartbeatReply:
      return { kind: 'heartbeatReply', ...head, readRound: readNumber(first, 'read round') };
    case CODES.timeoutNow:
      return { kind: 'timeoutNow', ...head, last: readPosition(first, second, 'last') };
    default:
      throw new MalformedError('message kind is unknown');
  }
}

/** Terms along a log never fall, and no entry is younger than the leader that sends it. */
function readEntries(value: unknown, previous: LogPosition, termMax: Term): Entry[] {
  let index = previous.index as number;
  let termMin: Term = previous.term;
  return readFields(value, 0, 'entries').map((item) => {
    const [kind, entryTerm, data] = readFields(item, 3, 'entry');
    const read = readTerm(entryTerm, 'entry term');
    if (read < termMin || read > termMax || read === 0)
      throw new MalformedError('entry terms are out of order');
    index += 1;
    termMin = read;
    return {
      kind: readEntryKind(kind),
      index: logIndex(checkedIndex(index)),
      term: read,
      data: readBytes(data, 'entry data'),
    };
  });
}

function checkedIndex(index: number): number {
  if (!Number.isSafeInteger(index)) throw new MalformedError('entry index is beyond 2^53-1');
  return index;
}
