// All that is looked at, by the names that scripts know it by (`docs/kvctl.md`), and the rows that come of it.

import {
  judgeNodeSettings,
  judgeObserved,
  judgePaused,
  judgeProblems,
  judgeStatus,
} from './judge-clusters.ts';
import {
  judgeAnswers,
  judgeClocks,
  judgeLag,
  judgeLeader,
  judgeReachable,
  judgeReady,
  judgeTolerance,
} from './judge-members.ts';
import {
  judgeBackup,
  judgeLevel,
  judgeReleases,
  judgeReloads,
  judgeRestarts,
  judgeSettings,
  judgeSpace,
  judgeStores,
  judgeSyncs,
} from './judge-processes.ts';
import {
  judgeAllReady,
  judgeNoLag,
  judgeNothingGrave,
  judgeOneRelease,
  judgeRecentBackup,
} from './judge-upgrade.ts';
import { GROUP, type Judge, type Verdict, VERDICTS } from './judgement.ts';
import type { Sights } from './sights.ts';

export const CHECKS: Readonly<Record<string, Judge>> = {
  'members.reachable': judgeReachable,
  'members.answers': judgeAnswers,
  'members.ready': judgeReady,
  'members.leader': judgeLeader,
  'members.tolerance': judgeTolerance,
  'members.lag': judgeLag,
  'members.clock': judgeClocks,
  'config.settings': judgeSettings,
  'config.restart': judgeRestarts,
  'config.reload': judgeReloads,
  'disk.sync': judgeSyncs,
  'disk.space': judgeSpace,
  'state.same': judgeStores,
  'release.level': judgeLevel,
  'release.same': judgeReleases,
  'backup.age': judgeBackup,
  'clusters.status': judgeStatus,
  'clusters.observed': judgeObserved,
  'clusters.paused': judgePaused,
  'clusters.problems': judgeProblems,
  'nodes.settings': judgeNodeSettings,
};

export const CHECKS_BEFORE_UPGRADE: Readonly<Record<string, Judge>> = {
  'before-upgrade.members': judgeAllReady,
  'before-upgrade.lag': judgeNoLag,
  'before-upgrade.backup': judgeRecentBackup,
  'before-upgrade.release': judgeOneRelease,
  'before-upgrade.clusters': judgeNothingGrave,
};

export interface Row {
  readonly name: string;
  readonly verdict: Verdict;
  readonly subject: string;
  readonly why: string;
  /** Null where all is well. */
  readonly remedy: string | null;
}

/** The worst first, in the order of the checks otherwise. Each check has a row at least. */
export function examine(sights: Sights, isBeforeUpgrade: boolean): readonly Row[] {
  const checks = { ...CHECKS, ...(isBeforeUpgrade ? CHECKS_BEFORE_UPGRADE : {}) };
  const rows = Object.entries(checks).flatMap(([name, judge]): readonly Row[] => {
    const { findings, well } = judge(sights);
    if (findings.length > 0)
      return findings.map(({ verdict, subject, why, remedy }) => ({ name, verdict, subject, why, remedy }));
    return [{ name, verdict: 'ok', subject: GROUP, why: well, remedy: null }];
  });
  return VERDICTS.flatMap((verdict) => rows.filter((row) => row.verdict === verdict));
}
