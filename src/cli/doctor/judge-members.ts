// The members of the group, one by one: who answers, who is ready, who leads, and how far they are from each other.

import { spanText } from '../commands/span-text.ts';
import {
  answering,
  atLeader,
  eachMember,
  type Finding,
  GROUP,
  type Judgement,
  leaderOf,
  memberText,
} from './judgement.ts';
import { valueOf } from './metrics-text.ts';
import type { MemberSight, ReadinessCheck, Sights } from './sights.ts';

/** Entries; a member that is heard lacks a few at any moment under writes. */
const LAG_MAX = 1000;
const SKEW_SECONDS_MAX = 0.5;

export function judgeReachable({ members }: Sights): Judgement {
  const findings = members.flatMap((member): readonly Finding[] =>
    member.silence === null
      ? []
      : [
          {
            verdict: 'fail',
            subject: memberText(member),
            why: member.silence,
            remedy: `start it, or repair the way to it; if it is lost for good: kvctl raft remove peer ${member.id}`,
          },
        ],
  );
  return { findings, well: `${members.length} of ${members.length} controllers answer` };
}

/** Parts that a member which answers did not tell: nothing that rests on them is judged there. */
export function judgeAnswers(sights: Sights): Judgement {
  const findings = answering(sights).flatMap((member) =>
    Object.entries({
      '/readyz': member.readiness,
      '/controller/config': member.config,
      '/metrics': member.metrics,
    }).flatMap(([what, part]): readonly Finding[] =>
      part.ok
        ? []
        : [
            {
              verdict: 'warn',
              subject: memberText(member),
              why: `${what}: ${part.error}`,
              remedy: 'ask again; a controller of an earlier release does not tell everything',
            },
          ],
    ),
  );
  return { findings, well: 'every controller that answers told everything it was asked' };
}

export function judgeReady(sights: Sights): Judgement {
  return eachMember(sights, {
    part: ({ readiness }) => readiness,
    judge: (checks, subject) =>
      failing(checks).map(({ name, problem }) => ({
        verdict: 'fail',
        subject,
        why: `${name}: ${problem}`,
        remedy: 'wait where it has just begun; else do as the reason says, and read its log',
      })),
    well: 'are ready',
  });
}

function failing(checks: readonly ReadinessCheck[]): readonly ReadinessCheck[] {
  return checks.filter(({ problem }) => problem !== null);
}

export function judgeLeader(sights: Sights): Judgement {
  const views = answering(sights).map(({ id, peers }) => ({ id, leader: peers?.leader ?? 0 }));
  const leader = leaderOf(sights);
  if (leader !== null && views.every((view) => view.leader === leader.id))
    return { findings: [], well: `controller ${leader.id} leads, as all say that answer` };
  const who = views.map(
    (view) =>
      `controller ${view.id} says that ${view.leader === 0 ? 'nobody' : `controller ${view.leader}`} leads`,
  );
  return {
    findings: [
      {
        verdict: 'fail',
        subject: GROUP,
        why: who.join(', '),
        remedy:
          'ask again in a few seconds: an election may be under way; else start more controllers, until a majority of all answers',
      },
    ],
    well: '',
  };
}

export function judgeTolerance(sights: Sights): Judgement {
  return atLeader(sights, (leader) => {
    const tolerance = leader.metrics.ok ? valueOf(leader.metrics.value, 'raft_failure_tolerance') : null;
    if (tolerance !== null && tolerance >= 1)
      return {
        findings: [],
        well: `as the leader hears them, ${tolerance} may fail before the group stands still`,
      };
    return {
      findings: [
        {
          verdict: 'warn',
          subject: GROUP,
          why:
            tolerance === null
              ? 'not known: the leader has not told it'
              : 'no further controller may fail: the group would stand still',
          remedy:
            'bring back those that do not answer; a group of one or two takes more: kvctl raft add peer',
        },
      ],
      well: '',
    };
  });
}

/** Of members that answer: the others are found by `members.reachable`. `entriesMax` is what is borne with. */
export function lagFindings(
  sights: Sights,
  leader: MemberSight,
  { verdict, entriesMax }: { readonly verdict: Finding['verdict']; readonly entriesMax: number },
): readonly Finding[] {
  const heard = new Set(answering(sights).map(({ id }) => id));
  return (leader.peers?.members ?? []).flatMap((member): readonly Finding[] =>
    !heard.has(member.id) || member.lag === null || member.lag <= entriesMax
      ? []
      : [
          {
            verdict,
            subject: memberText(member),
            why: `it lacks ${member.lag} entries of the log`,
            remedy: 'wait until it has caught up; if it does not: its disk, its load and the network to it',
          },
        ],
  );
}

export function judgeLag(sights: Sights): Judgement {
  return atLeader(sights, (leader) => ({
    findings: lagFindings(sights, leader, { verdict: 'warn', entriesMax: LAG_MAX }),
    well: `no controller that answers lacks more than ${LAG_MAX} entries`,
  }));
}

export function judgeClocks(sights: Sights): Judgement {
  return atLeader(sights, (leader) => {
    const samples = leader.metrics.ok ? leader.metrics.value : [];
    const skews = new Map(
      samples
        .filter(({ name }) => name === 'peer_clock_skew_seconds')
        .map(({ labels, value }) => [Number(labels['peer']), value]),
    );
    const others = answering(sights).filter((member) => member !== leader);
    const findings = others.flatMap((member): readonly Finding[] => {
      const skew = skews.get(member.id);
      if (skew !== undefined && Math.abs(skew) <= SKEW_SECONDS_MAX) return [];
      return [{ verdict: 'warn', subject: memberText(member), ...skewText(skew) }];
    });
    return {
      findings,
      well: `${others.length} of ${sights.members.length - 1} other clocks are within ${SKEW_SECONDS_MAX * 1000} ms of the leader's`,
    };
  });
}

function skewText(skew: number | undefined): Pick<Finding, 'why' | 'remedy'> {
  if (skew === undefined)
    return {
      why: 'not known: the leader has not compared its clock yet',
      remedy: 'ask again in ten seconds, which is how often it does',
    };
  const where = skew > 0 ? 'ahead of' : 'behind';
  return {
    why: `its clock is ${spanText(Math.abs(skew) * 1000)} ${where} the leader's`,
    remedy: 'have all controllers keep time by NTP: events, pauses and maintenance end by the clock',
  };
}

/** Whether all members answer and are ready; the reason where not. */
export function whyNotAllReady(sights: Sights): string | null {
  const away = sights.members.filter(({ readiness }) => !readiness.ok || failing(readiness.value).length > 0);
  if (away.length > 0) return `not ready: ${away.map(memberText).join(', ')}`;
  return leaderOf(sights) === null ? 'nobody leads' : null;
}
