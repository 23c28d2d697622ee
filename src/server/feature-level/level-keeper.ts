// The leader's part in the level of the group: it asks every member what it supports, and raises the level when all do.

import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { type Random, randomHex } from '../../base/random.ts';
import type { Result } from '../../base/result.ts';
import type { ClusterId } from '../../raft/cluster-id.ts';
import { allMembers } from '../../raft/core/membership.ts';
import type { RoleView } from '../../raft/core/step.ts';
import type { Incarnation, MemberId, Membership } from '../../raft/core/types.ts';
import { encodeFeatureLevel, FEATURE_LEVEL_KEY } from '../../store/feature-level.ts';
import type { Store } from '../../store/types.ts';
import type { AppliedLevel } from './applied-level.ts';
import { raisedLevel, whatHolds, type Support } from './raising.ts';

/** Milliseconds between two looks while this member supports more than the group's level: somebody is being upgraded. */
const LOOK_MS = 1000;
/** Milliseconds between two looks otherwise: only for whoever asks what the members support. */
const IDLE_LOOK_MS = 10_000;
/** Milliseconds for the raise to be committed; the next look asks again. */
const COMMIT_DEADLINE_MS = 2000;

/** Who leads whom; a `RaftDriver`. */
export interface Led {
  readonly role: RoleView;
  readonly membership: Membership;
  onRole(listener: (view: RoleView) => void): () => void;
}

/** What a member says of itself. */
export interface ToldLevel {
  readonly clusterId: ClusterId;
  readonly memberId: number;
  readonly incarnation: Incarnation;
  readonly featureLevel: number;
}

export interface LevelKeeperParts<Told extends ToldLevel = ToldLevel> {
  readonly driver: Led;
  readonly self: MemberId;
  readonly clusterId: ClusterId;
  readonly applied: AppliedLevel;
  readonly store: Pick<Store, 'transact'>;
  /** Asks the member at an address; has a deadline of its own, ends early when `abandoned` fires, never rejects. */
  readonly ask: (address: string, abandoned: AbortSignal) => Promise<Result<Told, string>>;
  /** A member answered, so long after it was asked. */
  readonly onTold?: (member: MemberId, told: Told, elapsedMs: number) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** One established lead; what was told in another is never counted. */
interface Lead {
  readonly term: RoleView['term'];
  readonly told: Map<MemberId, number>;
  readonly ended: AbortController;
  timer: Timer | null;
  looking: Promise<void>;
}

/**
 * What a member supports changes only with its process, and a process that is exchanged between the answer and the commit finds the
 * record in its log and stops, so an answer of this term is proof enough.
 */
export class LevelKeeper<Told extends ToldLevel = ToldLevel> {
  readonly #parts: LevelKeeperParts<Told>;
  readonly #stopListening: () => void;
  #lead: Lead | null = null;
  /** What was said last of why the group stays where it is. */
  #said: string | null = null;

  /** Works from now on, whenever this member leads. */
  constructor(parts: LevelKeeperParts<Told>) {
    this.#parts = parts;
    this.#stopListening = parts.driver.onRole((view) => this.#follow(view));
    this.#follow(parts.driver.role);
  }

  /** What `member` supports: known of this member itself and, while it leads, of those that told it. */
  levelOf(member: MemberId): number | null {
    const { self, applied } = this.#parts;
    return member === self ? applied.supported : (this.#lead?.told.get(member) ?? null);
  }

  /** Resolves when nothing is asked or proposed any more. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.#end();
  }

  #follow({ established, term }: RoleView): void {
    if (established && this.#lead?.term === term) return;
    void this.#end();
    if (!established) return;
    const ended = new AbortController();
    const lead: Lead = { term, told: new Map(), ended, timer: null, looking: Promise.resolve() };
    this.#lead = lead;
    this.#schedule(lead, 0);
  }

  async #end(): Promise<void> {
    const lead = this.#lead;
    this.#lead = null;
    lead?.timer?.cancel();
    lead?.ended.abort();
    await lead?.looking;
  }

  #schedule(lead: Lead, delayMs: number): void {
    lead.timer = this.#parts.clock.setTimer(delayMs, () => {
      lead.looking = this.#look(lead);
    });
  }

  /** Never rejects. */
  async #look(lead: Lead): Promise<void> {
    const { driver, applied } = this.#parts;
    const { membership } = driver;
    await Promise.all(allMembers(membership).map((member) => this.#hear(lead, membership, member)));
    // Who has come or gone meanwhile was not asked, or has been for nothing: the next look counts them.
    if (this.#lead === lead && isSame(membership, driver.membership)) await this.#raise(lead, membership);
    if (this.#lead !== lead) return;
    this.#schedule(lead, applied.supported > applied.recorded.level ? LOOK_MS : IDLE_LOOK_MS);
  }

  /** Only the data directory that is bound to the member speaks for it. */
  async #hear(lead: Lead, { addresses, incarnations }: Membership, member: MemberId): Promise<void> {
    const { ask, self, clusterId, clock, onTold } = this.#parts;
    if (member === self) return;
    const askedAtMs = clock.monotonicMs();
    const told = await ask(addresses.get(member) ?? '', lead.ended.signal);
    const bound = incarnations.get(member);
    const isMember = told.ok && told.value.clusterId === clusterId && told.value.memberId === member;
    if (!isMember || (bound !== undefined && bound !== told.value.incarnation)) {
      lead.told.delete(member);
      return;
    }
    lead.told.set(member, told.value.featureLevel);
    if (this.#lead === lead) onTold?.(member, told.value, clock.monotonicMs() - askedAtMs);
  }

  async #raise(lead: Lead, membership: Membership): Promise<void> {
    const { applied, store, random, logger } = this.#parts;
    const { level: current, revision } = applied.recorded;
    const members = allMembers(membership).map((id) => ({ id, level: this.levelOf(id) }));
    const next = raisedLevel({ current, members });
    this.#explain({ current: next ?? current, members });
    if (next === null) return;
    const committed = await store.transact(
      {
        requestId: randomHex(random, 32),
        compare: [{ key: FEATURE_LEVEL_KEY, revision }],
        put: [{ key: FEATURE_LEVEL_KEY, value: encodeFeatureLevel(next) }],
        remove: [],
      },
      { term: lead.term, deadlineMs: COMMIT_DEADLINE_MS },
    );
    if (committed.ok && committed.value.kind === 'committed')
      logger.info('raft.feature_level.raised', { from: current, to: next });
  }

  /** One line when the reason changes, never one a look. */
  #explain(support: Support): void {
    const reason = whatHolds(support, this.#parts.applied.supported);
    if (reason !== null && reason !== this.#said)
      this.#parts.logger.info('raft.feature_level.held', { level: support.current, reason });
    this.#said = reason;
  }
}

function isSame(one: Membership, other: Membership): boolean {
  const members = allMembers(one);
  const others = allMembers(other);
  return (
    members.length === others.length &&
    members.every(
      (member, position) =>
        member === others[position] && one.addresses.get(member) === other.addresses.get(member),
    )
  );
}
