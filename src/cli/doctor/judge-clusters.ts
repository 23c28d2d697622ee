// The clusters, as the leader tells their health: what is paused, only looked at, wrong, or set in a risky way at a node.

import type { ProblemKind } from '../../control/problems.ts';
import type { ProblemBody, Severity } from '../commands/status-body.ts';
import { type Finding, type Judgement, type Verdict, unseen } from './judgement.ts';
import type { ClusterSeen, Sights } from './sights.ts';

const OBSERVED = 'clusterObserved' satisfies ProblemKind;
/** Settings of nodes that cost data or availability on a bad day. */
const RISKY: ReadonlySet<string> = new Set<ProblemKind>(['emptiesBeforeFullSync', 'replicaRefusesStale']);
/** What rows of their own tell. */
const TOLD_APART: ReadonlySet<string> = new Set([OBSERVED, 'failoverPaused' satisfies ProblemKind, ...RISKY]);

const VERDICT_OF: Readonly<Record<string, Verdict>> = {
  critical: 'fail',
  error: 'fail',
  warning: 'warn',
  info: 'ok',
} satisfies Record<Severity, Verdict>;

export function judgeStatus({ clusters }: Sights): Judgement {
  if (clusters.ok)
    return { findings: [], well: `the leader told the health of ${countText(clusters.value)}` };
  const remedy = 'see members.leader; where one leads, ask again, for longer: --timeout 1m';
  return {
    findings: [{ verdict: 'fail', subject: 'all clusters', why: clusters.error, remedy }],
    well: '',
  };
}

export function judgePaused(sights: Sights): Judgement {
  return eachCluster(sights, 'have automatic failovers', ({ status: { automation } }, subject) => {
    const { failover, by, reason, until } = automation;
    if (failover === 'on') return [];
    const who = by === 'group' ? 'for all clusters' : 'for this cluster';
    const because = reason === '' ? '' : `, because: ${reason}`;
    return [
      {
        verdict: 'warn',
        subject,
        why: `automatic failover is ${failover} ${who}${until === null ? '' : `, until ${until}`}${because}`,
        remedy: `when the reason is gone: kvctl resume ${by === 'group' ? '--all' : flagsOf(subject)}`,
      },
    ];
  });
}

export function judgeObserved(sights: Sights): Judgement {
  return eachCluster(sights, 'are managed', ({ status }, subject) =>
    status.problems.some(({ kind }) => kind === OBSERVED)
      ? [
          {
            verdict: 'fail',
            subject,
            why: 'it is only looked at, since the group was made out of a backup: no master of it is replaced',
            remedy: `kvctl check ${flagsOf(subject)}, then kvctl resume ${flagsOf(subject)} --accept`,
          },
        ]
      : [],
  );
}

export function judgeProblems(sights: Sights): Judgement {
  return eachCluster(sights, 'have no problem above info', ({ status }, subject) =>
    problemFindings(
      status.problems.filter(({ kind }) => !TOLD_APART.has(kind)),
      subject,
    ),
  );
}

export function judgeNodeSettings(sights: Sights): Judgement {
  return eachCluster(sights, 'have no node with a risky setting that is looked at', ({ status }, subject) =>
    problemFindings(
      status.problems.filter(({ kind }) => RISKY.has(kind)),
      subject,
    ),
  );
}

/** Why an upgrade has to wait for a cluster; null where it does not. */
export function graveProblems({ clusters }: Sights): string | null {
  if (!clusters.ok) return clusters.error;
  const grave = clusters.value.flatMap(({ namespace, status }) =>
    status.problems
      .filter(({ severity }) => VERDICT_OF[severity] === 'fail')
      .map(({ kind }) => `${namespace}/${status.cluster} has ${kind}`),
  );
  return grave.length === 0 ? null : [...new Set(grave)].join(', ');
}

/** One of each kind: one remedy is for all of them. A severity that this release does not know is worth a look. */
function problemFindings(problems: readonly ProblemBody[], subject: string): readonly Finding[] {
  return [...Map.groupBy(problems, ({ kind }) => kind)].flatMap(([kind, alike]): readonly Finding[] => {
    const [first] = alike;
    if (first === undefined) return [];
    const verdict = VERDICT_OF[first.severity] ?? 'warn';
    if (verdict === 'ok') return [];
    const more = alike.length === 1 ? '' : ` (and ${alike.length - 1} more)`;
    return [
      { verdict, subject, why: `${first.title} (${kind}): ${first.detail}${more}`, remedy: first.remedy },
    ];
  });
}

function eachCluster(
  { clusters }: Sights,
  well: string,
  judge: (seen: ClusterSeen, subject: string) => readonly Finding[],
): Judgement {
  if (!clusters.ok) return unseen('all clusters', 'their health was not told', 'see clusters.status');
  return {
    findings: clusters.value.flatMap((seen) => judge(seen, `${seen.namespace}/${seen.status.cluster}`)),
    well: `${countText(clusters.value)} ${well}`,
  };
}

function countText({ length }: readonly unknown[]): string {
  return length === 1 ? '1 cluster' : `${length} clusters`;
}

/** Of `namespace/cluster`, of which neither holds a slash. */
function flagsOf(subject: string): string {
  const [namespace = '', cluster = ''] = subject.split('/');
  return `-n ${namespace} -c ${cluster}`;
}
