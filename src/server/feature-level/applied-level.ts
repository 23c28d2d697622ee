// The level of the group as this member has applied it, and the end of a member that does not support it.

import { FEATURE_LEVEL } from '../../base/feature-level.ts';
import { FEATURE_LEVEL_KEY, readFeatureLevel, type RecordedLevel } from '../../store/feature-level.ts';
import type { LocalState } from '../../store/replicated-store.ts';

/** A reading that cannot be one of a release that this one has heard of: whoever wrote it is far ahead. */
const UNREADABLE: RecordedLevel = { level: Number.POSITIVE_INFINITY, revision: 0 };

/**
 * Follows the record from the moment the state is open. It must listen before anybody else does: what is written at a level comes
 * after the record of that level, so a member that stops at the record never meets what it cannot read.
 */
export class AppliedLevel {
  readonly #local: LocalState;
  /** The level up to which this member takes part. */
  readonly supported: number;
  #recorded: RecordedLevel;
  #onUnsupported: (problem: Error) => void = () => undefined;

  constructor(local: LocalState, supported: number) {
    this.#local = local;
    this.supported = supported;
    this.#recorded = this.#read();
    local.watch((change) => {
      if (change.kind === 'replaced' || change.keys.includes(FEATURE_LEVEL_KEY)) this.#follow();
    });
  }

  /** The group's level, and the revision of its record. */
  get recorded(): RecordedLevel {
    return this.#recorded;
  }

  /** Why this member cannot take part in its group, with what to do; null when it can. */
  get problem(): string | null {
    const { level } = this.#recorded;
    return level <= this.supported ? null : describeUnsupported(level, this.supported);
  }

  /** From now on `onUnsupported` is called, inside the apply, when the group has risen above what this member supports. */
  failTo(onUnsupported: (problem: Error) => void): void {
    this.#onUnsupported = onUnsupported;
  }

  #follow(): void {
    this.#recorded = this.#read();
    const { problem } = this;
    if (problem !== null) this.#onUnsupported(new Error(problem));
  }

  #read(): RecordedLevel {
    const read = readFeatureLevel(this.#local);
    return read.ok ? read.value : UNREADABLE;
  }
}

function describeUnsupported(level: number, supported: number): string {
  if (level <= FEATURE_LEVEL) {
    return (
      `the group works at feature level ${level}, but raft.feature_level_max is ${supported} here; ` +
      `remove that setting, which can only hold a group back before it has risen`
    );
  }
  const found = Number.isFinite(level)
    ? `feature level ${level}`
    : 'a feature level this release cannot read';
  return (
    `the group works at ${found}, and this release understands level ${FEATURE_LEVEL} at most; ` +
    `start the release that the other members run, or a later one, and keep the data directory as it is`
  );
}
