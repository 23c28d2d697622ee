// Short ways to write members, entries, restored states and messages in tests of the Raft core.

import { present } from '../../../src/base/assert.ts';
import type { Message } from '../../../src/raft/core/messages.ts';
import { RaftCore } from '../../../src/raft/core/raft-core.ts';
import type { CoreOptions, Effects, Input } from '../../../src/raft/core/step.ts';
import { logIndex, memberId, term } from '../../../src/raft/core/types.ts';
import type {
  Entry,
  HardState,
  LogPosition,
  MemberId,
  Membership,
  RestoredState,
  SnapshotMeta,
} from '../../../src/raft/core/types.ts';

const encoder = new TextEncoder();

export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

export function memberIds(...ids: readonly number[]): readonly MemberId[] {
  return ids.map((id) => memberId(id));
}

export function membership(voters: readonly number[], learners: readonly number[] = []): Membership {
  return { voterSets: [memberIds(...voters)], learners: memberIds(...learners) };
}

export function at(index: number, inTerm: number): LogPosition {
  return { index: logIndex(index), term: term(inTerm) };
}

export function hard(inTerm: number, votedFor: number | null = null): HardState {
  return { term: term(inTerm), votedFor: votedFor === null ? null : memberId(votedFor) };
}

/** An entry whose data tells where and when it was made, so that equal positions have equal data. */
export function entry(index: number, inTerm: number, text = `${index}@${inTerm}`): Entry {
  return { ...at(index, inTerm), kind: 'command', data: bytes(text) };
}

/** Entries from `first` on with the given terms. */
export function entriesOf(first: number, terms: readonly number[]): readonly Entry[] {
  return terms.map((inTerm, offset) => entry(first + offset, inTerm));
}

export interface Shape {
  readonly id?: number;
  readonly voters?: readonly number[];
  readonly voterSets?: readonly (readonly number[])[];
  readonly learners?: readonly number[];
  readonly term?: number;
  readonly votedFor?: number | null;
  /** Base position, [index, term]. */
  readonly base?: readonly [number, number];
  /** Terms of the entries after the base. */
  readonly log?: readonly number[];
  readonly options?: Partial<CoreOptions>;
}

export const OPTIONS: Omit<CoreOptions, 'self'> = {
  heartbeatTicks: 1,
  electionTicks: 10,
  appendEntriesMax: 64,
  appendBytesMax: 1_000_000,
  inflightMax: 4,
  uncommittedBytesMax: 1_000_000,
  readsMax: 1000,
};

export function restored(shape: Shape): RestoredState {
  const [baseIndex, baseTerm] = shape.base ?? [0, 0];
  const terms = shape.log ?? [];
  const voterSets = shape.voterSets ?? [shape.voters ?? [1, 2, 3]];
  const base: SnapshotMeta = {
    ...at(baseIndex, baseTerm),
    membership: {
      voterSets: voterSets.map((set) => memberIds(...set)),
      learners: memberIds(...(shape.learners ?? [])),
    },
  };
  return {
    hardState: hard(shape.term ?? terms.at(-1) ?? baseTerm, shape.votedFor ?? null),
    base,
    entries: entriesOf(baseIndex + 1, terms),
  };
}

export function makeCore(shape: Shape = {}): RaftCore {
  return new RaftCore({ ...OPTIONS, ...shape.options, self: memberId(shape.id ?? 1) }, restored(shape));
}

/** A message's own fields; sender, receiver and term come first because every test needs them. */
export type Body = Message extends infer M
  ? M extends Message
    ? Omit<M, 'from' | 'to' | 'term'>
    : never
  : never;

export function message(from: number, to: number, inTerm: number, body: Body): Message {
  return { from: memberId(from), to: memberId(to), term: term(inTerm), ...body };
}

/** Steps a message in. */
export function tell(core: RaftCore, from: number, inTerm: number, body: Body, to = 1): Effects {
  return core.step({ kind: 'message', message: message(from, to, inTerm, body) });
}

export function ticks(core: RaftCore, count: number, entropy = 0): readonly Effects[] {
  return Array.from({ length: count }, () => core.step({ kind: 'tick', entropy }));
}

/** Everything handed out so far is on the disk. */
export function persist(core: RaftCore): Effects {
  return core.step({ kind: 'persisted', last: core.last, hardState: core.hardState });
}

export function propose(core: RaftCore, ...texts: readonly string[]): Effects {
  return core.step({ kind: 'propose', proposals: texts.map((text, id) => ({ id, data: bytes(text) })) });
}

export function read(core: RaftCore, id: number): Effects {
  return core.step({ kind: 'read', id });
}

export function snapshotAt(
  index: number,
  inTerm: number,
  voters: readonly number[] = [1, 2, 3],
): SnapshotMeta {
  return { ...at(index, inTerm), membership: membership(voters) };
}

export function snapshotFrom(from: number, inTerm: number, snapshot: SnapshotMeta): Input {
  return { kind: 'snapshotReceived', from: memberId(from), term: term(inTerm), snapshot };
}

export const GRANT = { kind: 'voteReply', granted: true } as const;
export const PRE_GRANT = { kind: 'preVoteReply', granted: true } as const;

export function accept(matched: number): Body {
  return { kind: 'appendAccepted', matched: logIndex(matched) };
}

export function reject(probed: number, hint: LogPosition): Body {
  return { kind: 'appendRejected', probed: logIndex(probed), hint };
}

export function append(previous: LogPosition, entries: readonly Entry[], commit = 0): Body {
  return { kind: 'appendRequest', previous, entries, commit: logIndex(commit) };
}

export function heartbeat(commit = 0, readRound = 0): Body {
  return { kind: 'heartbeat', commit: logIndex(commit), readRound };
}

/** Makes member 1 the leader of the next term by the votes of all voters; its first entry is not durable yet. Returns the winning step. */
export function lead(core: RaftCore): Effects {
  const campaignTerm = core.role.term + 1;
  const voters = core.membership.voterSets.flat().filter((voter) => voter !== memberId(1));
  ticks(core, 10);
  for (const voter of voters) tell(core, voter, campaignTerm, PRE_GRANT);
  const steps = [persist(core), ...voters.map((voter) => tell(core, voter, campaignTerm, GRANT))];
  return present(
    steps.find((effects) => effects.role?.role === 'leader'),
    'a voter with all votes wins',
  );
}

/** Leads, with the first entry of the term durable and acknowledged by all other members. */
export function establish(core: RaftCore): void {
  lead(core);
  persist(core);
  for (const peer of core.peers()) tell(core, peer.member, core.role.term, accept(core.lastIndex));
}

/** The terms of all entries after the base. */
export function logTerms(core: RaftCore): readonly number[] {
  const from = logIndex(core.base.index + 1);
  return core.entries(from, core.lastIndex).map((each) => each.term);
}

export function sentTo(effects: Effects, to: number): readonly Message[] {
  return [...effects.sendNow, ...effects.sendAfterPersist].filter((each) => each.to === memberId(to));
}

export function kinds(messages: readonly Message[]): readonly string[] {
  return messages.map((each) => each.kind);
}
