// The leader's part in the level of the group: it asks every member what it supports, gives a new group its level, and says what an old one waits for.

import type { Clock, Timer } from '../../base/clock.ts';
import type { RoleView } from '../../raft/core/step.ts';
import type { MemberId, Membership } from '../../raft/core/types.ts';
import type { AppliedLevel } from './applied-level.ts';
import { commitLevel, type CommitLevelParts } from './commit-level.ts';
import { foundingLevel, type Support, WAITS_FOR_PEOPLE, whatHolds } from './raising.ts';
import { isSame, type MemberSupport, surveyMembers, type SurveyParts, type ToldLevel } from './survey.ts';

/** Milliseconds between two looks while this member supports more than the group's level: somebody is being upgraded. */
const LOOK_MS = 1000;
/** Milliseconds between two looks otherwise: only for whoever asks what the members support. */
const IDLE_LOOK_MS = 10_000;

/** Who leads whom; a `RaftDriver`. */
export interface Led {
  readonly role: RoleView;
  readonly membership: Membership;
  onRole(listener: (view: RoleView) => void): () => void;
}

export interface LevelKeeperParts<Told extends ToldLevel = ToldLevel>
  extends SurveyParts<Told>, CommitLevelParts {
  readonly driver: Led;
  readonly applied: AppliedLevel;
  readonly clock: Clock;
}

/** One established lead; what was told in another is never counted. */
interface Lead {
  readonly term: RoleView['term'];
  told: readonly MemberSupport[];
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
    return member === self
      ? applied.supported
      : (this.#lead?.told.find(({ id }) => id === member)?.level ?? null);
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
    const lead: Lead = { term, told: [], ended, timer: null, looking: Promise.resolve() };
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
    lead.told = await surveyMembers(membership, this.#parts, lead.ended.signal);
    // Who has come or gone meanwhile was not asked, or has been for nothing: the next look counts them.
    if (this.#lead === lead && isSame(membership, driver.membership)) await this.#found(lead);
    if (this.#lead !== lead) return;
    this.#schedule(lead, applied.supported > applied.recorded.level ? LOOK_MS : IDLE_LOOK_MS);
  }

  /** A group without a level has nothing to go back to: it takes what all of its members support. */
  async #found(lead: Lead): Promise<void> {
    const { recorded } = this.#parts.applied;
    const to = recorded.revision === 0 ? foundingLevel(lead.told) : null;
    this.#explain({ current: to ?? recorded.level, members: lead.told });
    // Without an outcome the next look asks again.
    if (to !== null) await commitLevel(this.#parts, { from: recorded, to, term: lead.term, why: 'founded' });
  }

  /** One line when the reason changes, never one a look. */
  #explain(support: Support): void {
    const { supported } = this.#parts.applied;
    const held = whatHolds(support, supported);
    const reason = held ?? (supported > support.current ? WAITS_FOR_PEOPLE : null);
    if (reason !== null && reason !== this.#said)
      this.#parts.logger.info('raft.feature_level.held', { level: support.current, reason });
    this.#said = reason;
  }
}
