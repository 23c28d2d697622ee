// Short ways to write members, entries, restored states and messages in tests of the Raft core.

import { present } from '../../../src/base/assert.ts';
import type { MembershipChange } from '../../../src/raft/core/membership-change.ts';
import type { Message, VoteRequest } from '../../../src/raft/core/messages.ts';
import { RaftCore } from '../../../src/raft/core/raft-core.ts';
import type { CoreOptions, Effects, Input } from '../../../src/raft/core/step.ts';
import { incarnation, logIndex, memberId, term } from '../../../src/raft/core/types.ts';
import type {
  Entry,
  HardState,
  Incarnation,
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

/** The incarnation that members of tests have unless a test says otherwise; `life` 1 is after a wiped disk. */
export function incarnationOf(id: number, life = 0): Incarnation {
  return incarnation(`${life.toString(16).padStart(16, '0')}${id.toString(16).padStart(16, '0')}`);
}

/** A membership whose members are all bound to their `incarnationOf`; without addresses. */
export function membership(voters: readonly number[], learners: readonly number[] = []): Membership {
  return jointMembership([voters], learners);
}

/** The same with several voter sets: the one to be, then the outgoing one. */
export function jointMembership(
  voterSets: readonly (readonly number[])[],
  learners: readonly number[] = [],
): Membership {
  const members = [...new Set([...voterSets.flat(), ...learners])];
  return {
    voterSets: voterSets.map((voters) => memberIds(...voters)),
    learners: memberIds(...learners),
    addresses: new Map(),
    incarnations: new Map(members.map((id) => [memberId(id), incarnationOf(id)])),
    removed: [],
  };
}

/** The same without any binding, as a group is configured before its first start. */
export function unbound(bound: Membership): Membership {
  return { ...bound, incarnations: new Map() };
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
  /** Instead of `voters`, `voterSets` and `learners`. */
  readonly membership?: Membership;
  readonly term?: number;
  readonly votedFor?: number | null;
  /** Base position, [index, term]. */
  readonly base?: readonly [number, number];
  /** Terms of the entries after the base. */
  readonly log?: readonly number[];
  readonly options?: Partial<CoreOptions>;
}

export const OPTIONS: Omit<CoreOptions, 'self' | 'incarnation'> = {
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
    membership: shape.membership ?? jointMembership(voterSets, shape.learners ?? []),
  };
  return {
    hardState: hard(shape.term ?? terms.at(-1) ?? baseTerm, shape.votedFor ?? null),
    base,
    entries: entriesOf(baseIndex + 1, terms),
  };
}

export function makeCore(shape: Shape = {}): RaftCore {
  const id = shape.id ?? 1;
  const identity = { self: memberId(id), incarnation: incarnationOf(id) };
  return new RaftCore({ ...OPTIONS, ...identity, ...shape.options }, restored(shape));
}

type Head = 'from' | 'to' | 'incarnation' | 'term';

/** A message's own fields; sender, receiver and term come first because every test needs them. */
export type Body = Message extends infer M
  ? M extends VoteRequest
    ? Omit<M, Head | 'transfer'> & Partial<Pick<M, 'transfer'>>
    : M extends Message
      ? Omit<M, Head>
      : never
  : never;

export function message(from: number, to: number, inTerm: number, body: Body): Message {
  const head = {
    from: memberId(from),
    to: memberId(to),
    incarnation: incarnationOf(from),
    term: term(inTerm),
  };
  return body.kind === 'voteRequest' ? { ...head, transfer: false, ...body } : { ...head, ...body };
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

/** Asks for a membership change; its id is 77. */
export function change(core: RaftCore, wanted: MembershipChange): Effects {
  return core.step({ kind: 'changeMembership', id: 77, change: wanted });
}

/** Asks for a transfer of the lead; null for any target. */
export function transfer(core: RaftCore, to: number | null): Effects {
  return core.step({ kind: 'transfer', to: to === null ? null : memberId(to) });
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
