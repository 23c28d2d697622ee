// An upgrade as the API tells of it, and its last step: the group is finalized at a level from which there is no way back.

import type {
  Finalized,
  FinalizeRequest,
  GroupChangeError,
  UpgradeStatus,
  Upgrades,
} from '../../api/ports.ts';
import { unreachable } from '../../base/assert.ts';
import { FEATURE_LEVEL, FEATURES } from '../../base/feature-level.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { StoreUnavailable, TransactionInvalid } from '../../store/types.ts';
import type { AppliedLevel } from './applied-level.ts';
import { commitLevel, type CommitLevelParts } from './commit-level.ts';
import type { Led } from './level-keeper.ts';
import { highestLevel, judgeFinalize, REMEDY, type Support, whatHolds } from './raising.ts';
import { isSame, type MemberSupport, surveyMembers, type SurveyParts } from './survey.ts';

export interface UpgradesParts extends SurveyParts, CommitLevelParts {
  readonly driver: Pick<Led, 'role' | 'membership'>;
  readonly applied: AppliedLevel;
}

/** Asks every member itself whenever it is called, so that each member can tell, also while one of an earlier release leads. */
export function upgrades(parts: UpgradesParts): Upgrades {
  return {
    status: async () => describe(await support(parts), parts),
    olderLeader: async () =>
      parts.driver.role.role === 'leader' ? null : olderLeader(await support(parts), parts),
    finalize: (request) => finalize(request, parts),
  };
}

interface SurveyedSupport extends Support {
  readonly members: readonly MemberSupport[];
}

async function support(parts: UpgradesParts): Promise<SurveyedSupport> {
  const { driver, applied } = parts;
  // Each question has a deadline of its own, and a client that leaves does not end it.
  const members = await surveyMembers(driver.membership, parts, new AbortController().signal);
  return { current: applied.recorded.level, members };
}

function describe(seen: SurveyedSupport, { applied, release }: UpgradesParts): UpgradeStatus {
  const { current, members } = seen;
  const highest = highestLevel(seen);
  const held = whatHolds(seen, highest);
  const isFounding = applied.recorded.revision === 0;
  return {
    release,
    level: current,
    highest,
    members,
    heldBy: held,
    next: describeNext(seen, { held, isFounding }),
    off: FEATURES.filter(({ level }) => level > current),
    wayBack:
      highest > current
        ? `until the group is finalized, every release that supports level ${current} can be started again: restart the members with it, one after the other`
        : `a release that supports less than level ${current} does not start any more; only a backup from before leads back to one (--restore), without what came after it`,
  };
}

function describeNext(
  seen: SurveyedSupport,
  { held, isFounding }: { readonly held: string | null; readonly isFounding: boolean },
): string {
  const highest = highestLevel(seen);
  if (highest <= seen.current)
    return seen.current < FEATURE_LEVEL
      ? `remove raft.feature_level_max where it is set, and restart the members: this release supports level ${FEATURE_LEVEL}`
      : 'nothing: the group uses everything that its members support';
  if (isFounding)
    return 'a new group takes the level of its members by itself once all of them have told theirs';
  return held === null
    ? `POST /api/v1/controller/upgrade/finalize (kvctl upgrade finalize) makes the group work at level ${highest}`
    : `${REMEDY}; then finalize`;
}

/** Releases that do not say which one they are do not know how to finalize either: a redirect to one would end in a 404. */
function olderLeader(seen: SurveyedSupport, { driver }: UpgradesParts): string | null {
  const leader = seen.members.find(({ id }) => id === driver.role.leader);
  if (leader === undefined || leader.level === null || leader.release !== null) return null;
  const held = whatHolds(seen, highestLevel(seen));
  const who = held === null ? '' : ` (${held})`;
  return `member ${leader.id} at ${leader.address} leads and runs an earlier release, which cannot finalize${who}; restart it with this one first`;
}

async function finalize(
  { level, isDryRun }: FinalizeRequest,
  parts: UpgradesParts,
): Promise<Result<Finalized, GroupChangeError>> {
  const { driver, applied } = parts;
  const { term } = driver.role;
  if (driver.role.role !== 'leader') return err({ kind: 'notLeader' });
  if (!driver.role.established)
    return err({
      kind: 'unavailable',
      reason: 'the leader was elected just now and takes changes in a moment, please retry',
    });
  const { membership } = driver;
  const { members } = await support(parts);
  // What is judged is what the transaction compares.
  const from = applied.recorded;
  const seen = { current: from.level, members };
  if (driver.role.term !== term) return err({ kind: 'notLeader' });
  if (!isSame(membership, driver.membership))
    return err({ kind: 'conflict', reason: 'the group was changed meanwhile, please look and retry' });
  const to = level ?? highestLevel(seen);
  const judged = judgeFinalize(seen, to);
  if (typeof judged === 'object') return err({ kind: 'conflict', reason: judged.refusal });
  if (judged === 'there' || isDryRun) return ok({ from: from.level, to });
  const outcome = await commitLevel(parts, { from, to, term, why: 'finalized' });
  if (!outcome.ok) return err(describeFailure(outcome.error));
  if (outcome.value.kind === 'committed') return ok({ from: from.level, to });
  return err({ kind: 'conflict', reason: 'somebody else raised the level meanwhile, please look and retry' });
}

function describeFailure(failure: StoreUnavailable | TransactionInvalid): GroupChangeError {
  switch (failure.kind) {
    case 'notLeader':
      return failure;
    case 'overloaded':
      return {
        kind: 'unavailable',
        reason: 'too much is waiting or the lead is being handed over, please retry',
      };
    case 'unknown':
      return failure;
    case 'invalid':
      throw new Error(`the record of the level cannot be proposed: ${failure.reason}`);
    default:
      return unreachable(failure);
  }
}
