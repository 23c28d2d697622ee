// What the transport counts, for metrics: plain numbers that only grow.

/** Why a request from a peer was refused; the values of one metric label. */
export type RefusalReason =
  | 'notAFrame'
  | 'version'
  | 'unknownFrame'
  | 'tooLarge'
  | 'lengthRequired'
  | 'truncated'
  | 'checksum'
  | 'malformed'
  | 'foreignCluster'
  | 'wrongRecipient'
  | 'otherIncarnation'
  | 'removed'
  | 'busy'
  | 'crowded'
  | 'tooManyStreams'
  | 'superseded'
  | 'diskFailed'
  | 'stalled'
  | 'aborted';

/** What went to and came from one other member. */
export interface PeerCounts {
  sent: number;
  /** Messages that did not fit a queue, or waited for or went to a peer that could not be reached. */
  dropped: number;
  received: number;
  /** Connections opened to it, by how they began: it took something, it refused, or they ended before. */
  accepted: number;
  refused: number;
  failed: number;
}

export interface TransportCounters {
  framesSent: number;
  messagesSent: number;
  bytesSent: number;
  /** Posts that failed or were answered with anything but success. */
  postsFailed: number;
  /** Messages that did not fit a queue, or waited for or went to a peer that could not be reached. */
  messagesDropped: number;
  framesReceived: number;
  messagesReceived: number;
  snapshotsSent: number;
  snapshotsReceived: number;
  /** Transfers that went on from where another connection, or another leader, had left them. */
  snapshotsResumed: number;
  readonly refused: Record<RefusalReason, number>;
  /** By member; of those that are none nothing is shown. */
  readonly peers: Map<number, PeerCounts>;
}

/** Strangers can give any number as theirs, so what is kept is bounded. */
const PEERS_MAX = 256;

/** The counts of `peer`, which begin with the first call. Where there are too many, the oldest ones begin anew. */
export function countsOf({ peers }: TransportCounters, peer: number): PeerCounts {
  const known = peers.get(peer);
  if (known !== undefined) return known;
  const [oldest] = peers.keys();
  if (peers.size >= PEERS_MAX && oldest !== undefined) peers.delete(oldest);
  const begun = { sent: 0, dropped: 0, received: 0, accepted: 0, refused: 0, failed: 0 };
  peers.set(peer, begun);
  return begun;
}

export function createTransportCounters(): TransportCounters {
  return {
    framesSent: 0,
    messagesSent: 0,
    bytesSent: 0,
    postsFailed: 0,
    messagesDropped: 0,
    framesReceived: 0,
    messagesReceived: 0,
    snapshotsSent: 0,
    snapshotsReceived: 0,
    snapshotsResumed: 0,
    peers: new Map(),
    refused: {
      notAFrame: 0,
      version: 0,
      unknownFrame: 0,
      tooLarge: 0,
      lengthRequired: 0,
      truncated: 0,
      checksum: 0,
      malformed: 0,
      foreignCluster: 0,
      wrongRecipient: 0,
      otherIncarnation: 0,
      removed: 0,
      busy: 0,
      crowded: 0,
      tooManyStreams: 0,
      superseded: 0,
      diskFailed: 0,
      stalled: 0,
      aborted: 0,
    },
  };
}
