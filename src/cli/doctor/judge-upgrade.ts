// What has to be so before the controllers are exchanged for another release: stricter than what is borne with on any day.

import { graveProblems } from './judge-clusters.ts';
import { lagFindings, whyNotAllReady } from './judge-members.ts';
import { BACKUP_REMEDY, backupAge, backupText } from './judge-processes.ts';
import { atLeader, GROUP, type Judgement } from './judgement.ts';
import type { Sights } from './sights.ts';

/** Entries that are on their way while clients write. */
const LAG_MAX = 100;
/** It is the way back once the upgrade is finalized. */
const BACKUP_SECONDS_MAX = 2 * 3600;

export function judgeAllReady(sights: Sights): Judgement {
  return required(whyNotAllReady(sights), {
    well: 'all controllers answer and are ready, and one leads',
    remedy: 'wait, or mend what members.reachable and members.ready say: one more is away at each step',
  });
}

export function judgeNoLag(sights: Sights): Judgement {
  return atLeader(sights, (leader) => ({
    findings: lagFindings(sights, leader, { verdict: 'fail', entriesMax: LAG_MAX }),
    well: `no controller lacks more than ${LAG_MAX} entries`,
  }));
}

export function judgeRecentBackup(sights: Sights): Judgement {
  const age = backupAge(sights);
  const why = backupText(age);
  const isRecent = age !== null && age <= BACKUP_SECONDS_MAX;
  return required(isRecent ? null : why, { well: why, remedy: BACKUP_REMEDY });
}

/** Two releases that neighbour each other work together, not three. */
export function judgeOneRelease({ upgrade }: Sights): Judgement {
  const remedy = upgrade.ok ? upgrade.value.next : 'kvctl upgrade status';
  return required(whyUnfinished(upgrade), {
    well: 'the last upgrade is finished: one release, at its highest feature level',
    remedy: `end the last upgrade first: ${remedy}`,
  });
}

function whyUnfinished(upgrade: Sights['upgrade']): string | null {
  if (!upgrade.ok) return `not known: ${upgrade.error}`;
  const { level, highest, members } = upgrade.value;
  if (level < highest) return `the group works at feature level ${level}, below ${highest}`;
  const releases = new Set(members.flatMap(({ release, reached }) => (reached ? [release] : [])));
  return releases.size > 1 ? 'the controllers run different releases' : null;
}

export function judgeNothingGrave(sights: Sights): Judgement {
  return required(graveProblems(sights), {
    well: 'no cluster has a problem of severity critical or error',
    remedy: 'mend these first, as clusters.problems and clusters.observed say',
  });
}

function required(
  why: string | null,
  { well, remedy }: { readonly well: string; readonly remedy: string },
): Judgement {
  return { findings: why === null ? [] : [{ verdict: 'fail', subject: GROUP, why, remedy }], well };
}
