// What a member tells of its group before it knows which one that is.

import type { GroupMembers, GroupStatus, GroupView, HealthCheck } from '../api/ports.ts';

/** A member that does not know its group yet: it has a number, and a reason why it is not ready. */
export class StartingView implements GroupView {
  readonly #self: number;
  readonly #featureLevel: number;
  #reason = 'this member is starting';

  /** `featureLevel` is the group's, as far as the data directory knows it. */
  constructor(self: number, featureLevel: number) {
    this.#self = self;
    this.#featureLevel = featureLevel;
  }

  /** What the member waits for, as a sentence. */
  say(reason: string): void {
    this.#reason = reason;
  }

  current(): GroupStatus {
    return { self: this.#self, term: 0, leader: null };
  }

  checks(): readonly HealthCheck[] {
    return [{ name: 'recovery', problem: this.#reason }];
  }

  members(): GroupMembers {
    return { members: [], changing: null, featureLevel: this.#featureLevel };
  }
}
