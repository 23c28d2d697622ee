// The one transaction that raises the level of a group.

import type { Logger } from '../../base/logger.ts';
import { type Random, randomHex } from '../../base/random.ts';
import { encodeFeatureLevel, FEATURE_LEVEL_KEY, type RecordedLevel } from '../../store/feature-level.ts';
import type { Store } from '../../store/types.ts';

/** Milliseconds for the raise to be committed. */
const COMMIT_DEADLINE_MS = 2000;

export interface CommitLevelParts {
  readonly store: Pick<Store, 'transact'>;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Raise {
  /** What was recorded when the members were asked. */
  readonly from: RecordedLevel;
  readonly to: number;
  /** Of the lead in which they were asked: in no other one is it proposed. */
  readonly term: number;
  readonly why: 'founded' | 'finalized';
}

/** Never rejects. */
export async function commitLevel(
  { store, random, logger }: CommitLevelParts,
  { from, to, term, why }: Raise,
): ReturnType<Store['transact']> {
  const outcome = await store.transact(
    {
      requestId: randomHex(random, 32),
      compare: [{ key: FEATURE_LEVEL_KEY, revision: from.revision }],
      put: [{ key: FEATURE_LEVEL_KEY, value: encodeFeatureLevel(to) }],
      remove: [],
    },
    { term, deadlineMs: COMMIT_DEADLINE_MS },
  );
  if (outcome.ok && outcome.value.kind === 'committed')
    logger.info('raft.feature_level.raised', { from: from.level, to, why });
  return outcome;
}
