// What the tests of the transport share: heads, messages, frames of any content.

import { Packr } from 'msgpackr';

import { foundingClusterId } from '../../../../src/raft/cluster-id.ts';
import type { Message } from '../../../../src/raft/core/messages.ts';
import {
  logIndex,
  memberId,
  term,
  type MemberId,
  type SnapshotMeta,
} from '../../../../src/raft/core/types.ts';
import { FrameSealer, type FrameHead, type FrameKind } from '../../../../src/raft/transport/frame.ts';
import { incarnationOf, membership } from '../../../support/raft-core/builders.ts';

export const ONE = memberId(1);
export const TWO = memberId(2);
export const CLUSTER = foundingClusterId(['127.0.0.1:9379', '127.0.0.1:9380']);
export const FOREIGN = foundingClusterId(['127.0.0.1:9379']);
export const ADDRESS = '127.0.0.1:9379';

/** What member 1 says in front of everything it sends to member 2. */
export const HEAD: FrameHead = {
  clusterId: CLUSTER,
  from: ONE,
  to: TWO,
  incarnation: incarnationOf(1),
  address: ADDRESS,
};

export const META: SnapshotMeta = { index: logIndex(10), term: term(3), membership: membership([ONE, TWO]) };

export const packr = new Packr({ useRecords: false });

export function sealer(head: Partial<FrameHead> = {}): FrameSealer {
  return new FrameSealer({ ...HEAD, ...head });
}

/** A whole frame around any body. */
export function sealed(kind: FrameKind, body: Uint8Array, head: Partial<FrameHead> = {}): Buffer {
  const seal = sealer(head);
  return seal.seal(kind, Buffer.concat([Buffer.alloc(seal.headBytes), body]));
}

export function heartbeat(readRound: number, from: MemberId = ONE): Message {
  const head = { from, to: TWO, incarnation: incarnationOf(from), term: term(1) };
  return { kind: 'heartbeat', ...head, commit: logIndex(0), readRound };
}

export function append(index: number, bytes = 10): Message {
  return {
    kind: 'appendRequest',
    from: ONE,
    to: TWO,
    incarnation: HEAD.incarnation,
    term: term(1),
    previous: { index: logIndex(index), term: term(index === 0 ? 0 : 1) },
    commit: logIndex(0),
    entries: [
      {
        index: logIndex(index + 1),
        term: term(1),
        kind: 'command',
        data: Buffer.alloc(bytes, index % 256),
      },
    ],
  };
}
