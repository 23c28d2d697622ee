// What a refused peer is told: one status and one sentence a reason, the only table of both.

import type { ClusterId } from '../cluster-id.ts';
import type { MemberId } from '../core/types.ts';
import type { RefusalReason } from './counters.ts';
import { PROTOCOL_VERSION } from './frame.ts';

/** A request that was not taken. `detail` ends the sentence for people: which value, where. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly detail: string;
}

export function refusal(reason: RefusalReason, detail = ''): Refusal {
  return { reason, detail };
}

interface RefusalText {
  readonly status: number;
  /** What is wrong and how to mend it. */
  readonly text: string;
}

const SAME_RELEASE = 'Run the same release on all members.';

const REFUSALS: Record<RefusalReason, RefusalText> = {
  notAFrame: { status: 400, text: 'This is not a request between members; only other members post here.' },
  version: {
    status: 400,
    text: `This member speaks version ${PROTOCOL_VERSION} of the protocol between members. ${SAME_RELEASE}`,
  },
  unknownFrame: { status: 400, text: `This kind of frame is unknown here. ${SAME_RELEASE}` },
  tooLarge: {
    status: 413,
    text: 'The request is larger than anything a member sends. Check that no proxy joins requests.',
  },
  lengthRequired: {
    status: 411,
    text: 'The request has no content-length. Check that no proxy between the members rewrites requests.',
  },
  truncated: {
    status: 400,
    text: 'The frame is shorter or longer than it says. Check what is between the members.',
  },
  checksum: { status: 400, text: 'The frame was damaged on its way. Check the network between the members.' },
  malformed: { status: 400, text: `The content of the frame cannot be read. ${SAME_RELEASE}` },
  foreignCluster: {
    status: 421,
    text: 'The sender belongs to another cluster. Correct raft.peers on the member whose address is wrong, or its data directory.',
  },
  wrongRecipient: {
    status: 421,
    text: 'Another member was meant to answer at this address. Make raft.peers the same on all members, in the same order.',
  },
  otherIncarnation: {
    status: 409,
    text: 'The sender runs on another data directory than the one its member id is bound to. Bring the old directory back, or remove the member and add a new one under an id that was never used.',
  },
  removed: {
    status: 410,
    text: 'The sender was removed from the cluster. Stop it, or add it under an id that was never used, with an empty data directory.',
  },
  busy: { status: 503, text: 'Another snapshot post is under way. It will be possible later.' },
  crowded: {
    status: 503,
    text: 'Too many large or slow requests are on their way here. Check that only members reach this port.',
  },
  tooManyStreams: {
    status: 503,
    text: 'Too many connections of other members are open here. Check that only members reach this port.',
  },
  superseded: { status: 503, text: 'A newer leader is sending a snapshot. Nothing needs to be done.' },
  diskFailed: { status: 500, text: 'The disk of this member failed. See its log.' },
  stalled: {
    status: 408,
    text: 'The rest of a frame did not come in time. Check the network between the members.',
  },
  aborted: { status: 400, text: 'The request broke off. Nothing needs to be done.' },
};

/**
 * Names in an answer to a post who gives it. Whatever else has got the address, or a proxy on the way, may use the same statuses; a
 * member that believed them would end itself for good.
 */
export const SPEAKER_HEADER = 'kvrocks-controller-member';

export function speaker(cluster: ClusterId, member: MemberId): string {
  return `${cluster}/${member}`;
}

export function refusalStatus(reason: RefusalReason): number {
  return REFUSALS[reason].status;
}

/** The body of the answer: `{"error":{"message":...}}`. */
export function refusalBody({ reason, detail }: Refusal): string {
  const { text } = REFUSALS[reason];
  return JSON.stringify({ error: { message: detail === '' ? text : `${text} (${detail})` } });
}
