// What a group that is made out of a backup begins with: none of its clusters is managed before somebody accepts it.

import { FEATURE_LEVEL } from '../base/feature-level.ts';
import { err, ok, type Result } from '../base/result.ts';
import { encodeFeatureLevel, FEATURE_LEVEL_KEY, readFeatureLevel } from '../store/feature-level.ts';
import type { Store, Transaction } from '../store/types.ts';
import { encodeFacts } from './facts-codec.ts';
import { OBSERVED_LEVEL } from './feature-level.ts';
import { JoinedRecords } from './joined-records.ts';
import { factsKey } from './keys.ts';
import { UnreadableRecordError } from './unreadable-record.ts';

export interface ObservationStart {
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
  /** As for every transaction. */
  readonly requestId: string;
}

/**
 * The transaction that has every cluster of `state` only observed from `nowSeconds` on, and with it the feature level at which members know that: no
 * other takes part in the group. The error says which record is unreadable.
 */
export function observation(
  state: Pick<Store, 'get' | 'list'>,
  { nowSeconds, requestId }: ObservationStart,
): Result<Transaction, string> {
  const recorded = readFeatureLevel(state);
  if (!recorded.ok) return err(`its feature level is ${recorded.error}`);
  try {
    const facts = new JoinedRecords(state).all().map(({ namespace, cluster, facts: known }) => ({
      key: factsKey({ namespace, cluster: cluster.name }),
      value: encodeFacts({ ...known, observedSinceSeconds: nowSeconds }),
    }));
    const level = Math.max(recorded.value.level, OBSERVED_LEVEL);
    const put = [{ key: FEATURE_LEVEL_KEY, value: encodeFeatureLevel(level) }, ...facts];
    return level > FEATURE_LEVEL
      ? err(`it is of feature level ${level}, this release knows levels up to ${FEATURE_LEVEL}`)
      : ok({ requestId, compare: [], put, remove: [] });
  } catch (error) {
    if (error instanceof UnreadableRecordError) return err(error.message);
    throw error;
  }
}
