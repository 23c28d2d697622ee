// Whether this member is alive, and whether it can answer for its group: one check a reason why not.

import type { HealthCheck } from '../api/ports.ts';
import { isMember } from '../raft/core/membership.ts';
import type { RoleView } from '../raft/core/step.ts';
import type { MemberId, Membership, Term } from '../raft/core/types.ts';
import type { DriverStatus } from '../raft/status.ts';
import type { NodeAddress } from '../topology/types.ts';
import { awaitedFounders, describeAwaited } from './group-view.ts';

/** What is looked at; a `RaftDriver`. */
export interface Examined {
  readonly role: RoleView;
  readonly membership: Membership;
  readonly committedMembership: Membership;
  status(): DriverStatus;
  onRole(listener: (view: RoleView) => void): () => void;
}

export interface ReadinessOptions {
  readonly self: MemberId;
  readonly advertiseAddress: NodeAddress;
  /** Milliseconds after which a member that was heard counts as away. */
  readonly awayMs: number;
  /** What keeps a group that is being founded from it, beside members that are missing; null when nothing is known. */
  readonly foundingTrouble: () => string | null;
}

/**
 * What was committed when this process began is its goal, once and for all: it has come to it when it has applied an entry of the term of the
 * first leader that it heard of, since the first entry of a term comes after everything committed before. A goal that moved with the log
 * would keep a member away for as long as there are writes.
 */
export class Readiness {
  readonly #examined: Examined;
  readonly #options: ReadinessOptions;
  #goal: Term | null = null;

  constructor(examined: Examined, options: ReadinessOptions) {
    this.#examined = examined;
    this.#options = options;
    this.#learn(examined.role);
    examined.onRole((view) => this.#learn(view));
  }

  /** Why the process should be started anew: never for lack of others. */
  get log(): HealthCheck {
    const { fault } = this.#examined.status();
    return { name: 'log', problem: fault === null ? null : `this member gave up: ${fault}` };
  }

  /** `mustLead`: also whether it leads, for whoever sends requests to the leader alone. */
  checks(mustLead: boolean): readonly HealthCheck[] {
    const status = this.#examined.status();
    const checks: HealthCheck[] = [
      this.log,
      { name: 'configuration', problem: this.#outside() },
      { name: 'leader', problem: this.#leaderless(status) },
      {
        name: 'recovery',
        problem: status.installing ? 'a snapshot from the leader is being installed' : null,
      },
      { name: 'applied', problem: this.#behind(status) },
    ];
    if (mustLead)
      checks.push({
        name: 'role',
        problem: status.established ? null : 'this member does not lead, or has not taken the lead up yet',
      });
    return checks;
  }

  #learn({ leader, term }: RoleView): void {
    if (leader !== null) this.#goal ??= term;
  }

  #outside(): string | null {
    const { self, advertiseAddress } = this.#options;
    if (isMember(this.#examined.committedMembership, self)) return null;
    const request = JSON.stringify({ id: self, peer: advertiseAddress, operation: 'add' });
    return `this member does not belong to the group yet, or has not heard of it: POST /api/v1/raft/peers ${request} to any member of the group`;
  }

  #leaderless(status: DriverStatus): string | null {
    const { membership } = this.#examined;
    const awaited = awaitedFounders(membership, status, this.#options.awayMs);
    if (awaited !== null && awaited.length > 0) {
      const trouble = this.#options.foundingTrouble();
      return describeAwaited(membership, awaited) + (trouble === null ? '' : ` (${trouble})`);
    }
    if (status.leader !== null) return null;
    return 'no leader is known: fewer than a majority of the members can be reached, or an election is under way';
  }

  #behind({ applied, appliedTerm }: DriverStatus): string | null {
    if (this.#goal === null) return 'no leader has said yet what is committed';
    if (appliedTerm >= this.#goal) return null;
    return `what was committed when this member began is not applied yet: it is at entry ${applied}, of term ${appliedTerm}, and has to come to one of term ${this.#goal}`;
  }
}
