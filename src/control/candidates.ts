// Who may take over from a dead master: every replica is judged, the best is chosen, and each refusal has its reason.

import { assert } from '../base/assert.ts';
import { masterOf, replicasOf } from '../topology/cluster.ts';
import type { Shard } from '../topology/types.ts';
import type { NodeReport } from './observation.ts';
import { failureWindowMs } from './settings.ts';
import {
  type NodeView,
  type Situation,
  errorText,
  isFresh,
  masterView,
  nodeName,
  silentSinceMs,
  viewOf,
} from './situation.ts';

/**
 * How much older than this leader's own sight of the failure a replica's last word from its master may be, when there is no memory from
 * before: an idle link carries a ping every 2 s (facts section 8), and the change of leaders took its time.
 */
const LAST_WORD_SLACK_MS = 15_000;

export interface Candidate {
  readonly view: NodeView;
  readonly sequence: number;
  /** Why it may, for people. */
  readonly why: string;
}

export type Election =
  | { readonly kind: 'elected'; readonly candidate: Candidate }
  /** Some replica's answer is still to come. */
  | { readonly kind: 'wait'; readonly why: string }
  | { readonly kind: 'nobody'; readonly refusals: readonly string[] };

type Verdict =
  | { readonly kind: 'eligible'; readonly sequence: number; readonly why: string }
  | { readonly kind: 'refused' | 'wait'; readonly why: string };

/**
 * The replica with the highest sequence among those that may be promoted; the first of equals. Waits for replicas whose answer from after
 * the failure is still to come, because one of them may be further; each answers or is down within the failure window.
 */
export function electCandidate(situation: Situation, shard: Shard): Election {
  const verdicts = replicasOf(shard).map((node) => {
    const view = viewOf(situation, node.id);
    return { view, verdict: judge(situation, shard, view) };
  });
  const waiting = verdicts.find(({ verdict }) => verdict.kind === 'wait');
  if (waiting !== undefined)
    return { kind: 'wait', why: `replica ${nodeName(waiting.view)}: ${waiting.verdict.why}` };
  let best: Candidate | null = null;
  for (const { view, verdict } of verdicts) {
    if (verdict.kind !== 'eligible' || (best !== null && verdict.sequence <= best.sequence)) continue;
    best = { view, sequence: verdict.sequence, why: verdict.why };
  }
  if (best !== null) return { kind: 'elected', candidate: best };
  const refusals = verdicts.map(({ view, verdict }) => `replica ${nodeName(view)}: ${verdict.why}`);
  return { kind: 'nobody', refusals: refusals.length === 0 ? ['the shard has no replica'] : refusals };
}

function judge(situation: Situation, shard: Shard, view: NodeView): Verdict {
  switch (view.condition) {
    case 'down':
      return refused('it does not answer either');
    case 'loading':
      return refused('it is loading its data');
    case 'impaired':
      return refused(`it answers with an error: ${errorText(view.memory)}`);
    case 'unknown':
    case 'suspect':
      return { kind: 'wait', why: 'its answer is still to come' };
    default:
      break;
  }
  if (!isFresh(view, silentSinceMs(masterView(situation, shard))))
    return { kind: 'wait', why: 'it was not asked since the failure' };
  const { report } = view;
  assert(report !== null, 'a node that answers has a report');
  return judgeReport(situation, shard, { view, report });
}

function judgeReport(
  situation: Situation,
  shard: Shard,
  { view, report }: { readonly view: NodeView; readonly report: NodeReport },
): Verdict {
  const master = masterOf(shard);
  if (report.id !== view.node.id) return refused('it does not know itself as this node');
  if (report.version > situation.cluster.version)
    return refused(`it has the foreign version ${report.version}`);
  if (report.role !== 'replica') return refused('it is not a replica of anybody');
  if (report.master !== master.address)
    return refused(`it follows ${report.master ?? 'nobody'}, not the failed master`);
  if (report.syncInProgress) return refused('a full synchronisation is going on');
  if (report.sequence === null) return refused('its position is unknown');
  const link = linkBefore(situation, shard, view);
  if (link !== null) return refused(link);
  if (report.sequence === 0 && !isShardEmpty(situation, shard)) {
    return refused('its sequence is 0 and the shard is not known to be empty');
  }
  return { kind: 'eligible', sequence: report.sequence, why: standing(situation, shard, report.sequence) };
}

/**
 * Why the replica's link counts as broken already before the failure; null when it was up. A replica that came to its master after the last
 * look at that master, for example in a cluster just created, must have reached the sequence that look showed: `up` is reported before the
 * data is there (facts section 3). As long as both are at sequence 0, nothing is known that it could lack: what the master may have taken
 * since its last look is lost with it, as it would be behind a working link.
 */
function linkBefore(situation: Situation, shard: Shard, view: NodeView): string | null {
  const master = masterView(situation, shard);
  if (master.report?.sequence === 0 && view.report?.sequence === 0) return null;
  const { evidence, linked } = view.memory;
  const lastAnswerMs = master.memory.look?.endedAtMs ?? -Infinity;
  const isRecent =
    evidence?.masterId === master.node.id &&
    lastAnswerMs - evidence.atMs <= failureWindowMs(situation.settings);
  if (evidence === null || !isRecent) return lastWordBefore(situation, shard, view);
  const { report, lookStartedAtMs } = evidence;
  const { address } = master.node;
  if (report.master === address && report.link === 'up' && !report.syncInProgress) return null;
  const isSeenLinked = linked?.master === address && linked.atMs > lookStartedAtMs;
  // The sequence of a replica moves by replication only.
  const hasReceived = report.master === address && (view.report?.sequence ?? 0) > (report.sequence ?? 0);
  if (isSeenLinked || hasReceived) return lagBehind(master, view);
  // A node without a topology had nobody to follow yet.
  if (report.version < 0) return lastWordBefore(situation, shard, view) ?? lagBehind(master, view);
  return report.master === address
    ? 'its link was down while the master still answered'
    : 'it did not follow the master while that still answered';
}

/** Without proof of the link there is the replica's own word on when it last heard from the master. */
function lastWordBefore(situation: Situation, shard: Shard, view: NodeView): string | null {
  const master = masterView(situation, shard);
  const lastIoSeconds = view.report?.lastIoSeconds ?? null;
  if (lastIoSeconds === null) return 'nothing is known of its link before the failure';
  const silentMs = situation.nowMs - (master.memory.silence?.sinceMs ?? situation.nowMs);
  if (lastIoSeconds * 1000 > silentMs + LAST_WORD_SLACK_MS) {
    return `it last heard from the master ${lastIoSeconds} s ago, long before the failure was seen ${Math.round(silentMs / 1000)} s ago`;
  }
  return null;
}

function lagBehind(master: NodeView, view: NodeView): string | null {
  const known = master.report?.sequence ?? null;
  const sequence = view.report?.sequence ?? null;
  if (known === null || sequence === null || sequence >= known) return null;
  return `it came to the master only just before the failure and has reached sequence ${sequence} of ${known}`;
}

/** Whether nothing was ever written, as far as anybody can tell: the master's last word, else the word of every replica. */
function isShardEmpty(situation: Situation, shard: Shard): boolean {
  const known = masterView(situation, shard).report?.sequence ?? null;
  if (known !== null) return known === 0;
  return replicasOf(shard).every((node) => viewOf(situation, node.id).report?.sequence === 0);
}

function standing(situation: Situation, shard: Shard, sequence: number): string {
  const known = masterView(situation, shard).report?.sequence ?? null;
  if (known === null) return `sequence ${sequence}, the master's is not known`;
  return `sequence ${sequence}, the master was last seen at ${known}`;
}

function refused(why: string): Verdict {
  return { kind: 'refused', why };
}
