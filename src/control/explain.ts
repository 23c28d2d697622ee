// Why a shard's master is replaced, or not (yet): the gates of an automatic failover, from the functions that decide it.

import { nodePolicy } from '../topology/policy.ts';
import type { NodeAddress, NodeId, Shard } from '../topology/types.ts';
import { type Judged, judgedReplicas, waitedFor } from './candidates.ts';
import { type Testimony, isMajority, isProcessGone, leftMs, validWords } from './evidence.ts';
import { planFailovers, whyReplaced } from './failover.ts';
import { exposureText, leaseWait } from './lease.ts';
import { lagBehind, linkFault } from './link.ts';
import { PROBLEMS } from './problems.ts';
import type { Recheck } from './recheck.ts';
import { restraintOf } from './restraint.ts';
import type { ControlSettings } from './settings.ts';
import { isAway } from './sight.ts';
import { type NodeView, type Situation, masterView, silenceText, testimonyOf } from './situation.ts';

/** In their order; behind one that does not pass the others are not reached. */
export type GateName = 'missed' | 'confirmed' | 'replicas' | 'time' | 'lease' | 'candidate' | 'restraint';

export interface Gate {
  readonly gate: GateName;
  /** `wait` ends by itself, `block` does not. */
  readonly verdict: 'pass' | 'wait' | 'block' | 'notReached';
  /** What it was judged by, for people; empty when it was not reached. */
  readonly evidence: string;
  /** Milliseconds until it passes if nothing changes; null where that is not known. */
  readonly leftMs: number | null;
  /** What people can do about one that does not pass; null where nothing is to be done. */
  readonly remedy: string | null;
}

/** What a gate says of itself. */
type Judgement = Omit<Gate, 'remedy'>;

export interface CandidateView {
  readonly node: NodeId;
  readonly address: NodeAddress;
  /** Sequence numbers it lacks of the master's last known position; null when that is not known. */
  readonly behind: number | null;
  /** What people want of it: how much it is preferred, and where it stands. */
  readonly priority: number;
  readonly zone: string;
  /** What is wrong with its link; null when nothing is, or nothing was ever seen. */
  readonly linkFault: string | null;
  readonly verdict: 'eligible' | 'refused' | 'wait';
  readonly reason: string;
}

/** What a member of the group saw of the master when it last looked since the leader misses it. `by`: its number. */
export interface WitnessView {
  readonly by: number;
  readonly saw: string;
  /** Milliseconds since it was asked at most. */
  readonly ageMs: number;
}

export interface Explanation {
  readonly shardIndex: number;
  readonly master: NodeId;
  /**
   * `healthy`: there is nothing to replace. `waiting`: a gate is still closed and may open. `blocked`: one stays closed until somebody does something.
   * `due`: the next decision replaces it.
   */
  readonly verdict: 'healthy' | 'waiting' | 'blocked' | 'due';
  /** One sentence. */
  readonly why: string;
  /** Milliseconds since the master is missed; null when it is not. */
  readonly missedMs: number | null;
  /** Who takes over; null unless due. */
  readonly next: { readonly action: 'failover'; readonly node: NodeId } | null;
  readonly gates: readonly Gate[];
  readonly candidates: readonly CandidateView[];
  readonly witnesses: readonly WitnessView[];
}

/** The shard at `shardIndex` has to be there. */
export function explain(situation: Situation, shard: Shard): Explanation {
  const master = masterView(situation, shard);
  const testimony = testimonyOf(situation, master, master.memory);
  const plan = planFailovers(situation);
  const due = plan.reasons.find((reason) => reason.kind === 'failover' && reason.from === master.node.id);
  const told = plan.problems.find(
    ({ shardIndex, node }) => shardIndex === master.shardIndex && node === master.node.id,
  );
  const candidates = judgedReplicas(situation, shard);
  const recheck = plan.rechecks.get(master.node.id) ?? null;
  const gates = gatesOf(situation, { master, testimony, candidates, recheck });
  const missedSinceMs = master.memory.absence?.sinceMs ?? -Infinity;
  const shown = {
    shardIndex: master.shardIndex,
    master: master.node.id,
    missedMs: missedSinceMs === -Infinity ? null : Math.max(0, situation.nowMs - missedSinceMs),
    gates,
    candidates: candidates.map((each) => candidateView(situation, master, each)),
    witnesses: witnessesOf(testimony, situation.settings),
  };
  if (due?.kind === 'failover')
    return { ...shown, verdict: 'due', why: due.text, next: { action: 'failover', node: due.to } };
  const isMissed = whyReplaced(situation, master) !== null || master.memory.absence !== null;
  if (!isMissed) return { ...shown, verdict: 'healthy', why: 'the master answers', next: null };
  const isBlocked = gates.some(({ verdict }) => verdict === 'block');
  const closed = gates.find(({ verdict }) => verdict === 'wait' || verdict === 'block');
  const why = told?.detail ?? closed?.evidence ?? silenceText(master);
  return { ...shown, verdict: isBlocked ? 'blocked' : 'waiting', why, next: null };
}

interface Case {
  readonly master: NodeView;
  readonly testimony: Testimony;
  readonly candidates: readonly Judged[];
  /** What has to be seen once more before it is replaced: it is behind all other gates, and told where its evidence is. */
  readonly recheck: Recheck | null;
}

function gatesOf(situation: Situation, found: Case): readonly Gate[] {
  const gates: Gate[] = [];
  let isOpen = true;
  for (const judge of GATES) {
    const gate = judge(situation, found);
    gates.push(
      isOpen
        ? { ...gate, remedy: remedyOf(gate) }
        : { gate: gate.gate, verdict: 'notReached', evidence: '', leftMs: null, remedy: null },
    );
    if (gate.verdict !== 'pass') isOpen = false;
  }
  return gates;
}

const GATES = [
  missedGate,
  confirmedGate,
  replicasGate,
  timeGate,
  leaseGate,
  candidateGate,
  restraintGate,
] as const;

/** The problems that people are told where a gate stays closed. A master that answers is no problem. */
const REMEDIES: Readonly<Partial<Record<GateName, string>>> = {
  confirmed: PROBLEMS.masterUnconfirmed.remedy,
  candidate: PROBLEMS.masterUnreachable.remedy,
  restraint: PROBLEMS.failoverRestrained.remedy,
};

function remedyOf({ gate, verdict, leftMs: left }: Judgement): string | null {
  const isClosed = verdict === 'block' || (verdict === 'wait' && left === null);
  return isClosed ? (REMEDIES[gate] ?? null) : null;
}

function passed(gate: GateName, evidence: string): Judgement {
  return { gate, verdict: 'pass', evidence, leftMs: null };
}

/** A master that lost its data, or cannot be told of its promotion, is replaced although it answers. */
function isReplacedAlive(situation: Situation, master: NodeView): boolean {
  return !isAway(master) && whyReplaced(situation, master) !== null;
}

function missedGate(situation: Situation, { master }: Case): Judgement {
  const why = whyReplaced(situation, master);
  if (why !== null) return passed('missed', why);
  if (master.memory.absence !== null) return passed('missed', silenceText(master));
  return { gate: 'missed', verdict: 'block', evidence: 'the master answers', leftMs: null };
}

/** Everything else passes: what the gate goes by is no news any more. */
function recheckGate({ gate, why, leftMs: left }: Recheck): Judgement {
  return { gate, verdict: 'wait', evidence: why, leftMs: left };
}

function confirmedGate(situation: Situation, { master, testimony, recheck }: Case): Judgement {
  if (recheck?.gate === 'confirmed') return recheckGate(recheck);
  if (isReplacedAlive(situation, master))
    return passed('confirmed', 'it answers here: nobody has to confirm that');
  const words = validWords(testimony, situation.settings);
  const answered = words.filter(({ kind }) => kind === 'answered').map(({ observer }) => observer);
  if (answered.length > 0) {
    const evidence = `it answers controller ${answered.join(', ')}`;
    return { gate: 'confirmed', verdict: 'block', evidence, leftMs: null };
  }
  const said = words.map(({ observer, kind }) => `controller ${observer}: ${kind}`).join(', ');
  const evidence = said === '' ? 'no other controller has said what it sees' : said;
  return isMajority(testimony.panel, words)
    ? passed('confirmed', said === '' ? 'this controller decides alone' : said)
    : { gate: 'confirmed', verdict: 'wait', evidence, leftMs: null };
}

function replicasGate(situation: Situation, { master, testimony }: Case): Judgement {
  if (master.condition === 'gone' || isReplacedAlive(situation, master))
    return passed('replicas', 'what its replicas hear does not matter');
  const evidence = {
    heard: 'a replica heard from it since it is missed here',
    linked: 'a replica is linked to it, without a word since it is missed here',
    unasked: 'a replica was not asked since it is missed here',
    none: 'no replica that can be asked is linked to it',
  }[testimony.replicas];
  return testimony.replicas === 'heard'
    ? { gate: 'replicas', verdict: 'wait', evidence, leftMs: null }
    : passed('replicas', evidence);
}

function timeGate(situation: Situation, { master, testimony, recheck }: Case): Judgement {
  if (recheck?.gate === 'time') return recheckGate(recheck);
  if (isAway(master) || isReplacedAlive(situation, master)) return passed('time', 'it is over');
  const { settings } = situation;
  const left = leftMs(testimony, settings);
  const evidence = isProcessGone(testimony, settings)
    ? `its process is gone: it has ${settings.restartGraceMs / 1000} s to be back`
    : `silence counts after ${settings.maxPingCount} probes, ${settings.pingIntervalMs / 1000} s apart`;
  return { gate: 'time', verdict: 'wait', evidence, leftMs: left === Infinity ? null : Math.max(0, left) };
}

/** With its lease a silent master takes the writes of whom still reaches it. */
function leaseGate(situation: Situation, { master }: Case): Judgement {
  const wait = isAway(master) ? leaseWait(situation, master) : null;
  if (wait === null) return passed('lease', exposureText(situation, master, !isAway(master)));
  const left = wait.untilMs - situation.nowMs;
  return { gate: 'lease', verdict: 'wait', evidence: wait.why, leftMs: left === Infinity ? null : left };
}

function candidateGate(_: Situation, { candidates }: Case): Judgement {
  const waiting = waitedFor(candidates);
  if (waiting !== undefined)
    return { gate: 'candidate', verdict: 'wait', evidence: waiting.verdict.why, leftMs: null };
  const eligible = candidates.find(({ verdict }) => verdict.kind === 'eligible');
  if (eligible !== undefined) return passed('candidate', eligible.verdict.why);
  const evidence =
    candidates.length === 0 ? 'the shard has no replica' : 'no replica may take over: see candidates';
  return { gate: 'candidate', verdict: 'block', evidence, leftMs: null };
}

/** What holds an automatic failover back although everything speaks for it. One that ends by itself is waited for. */
function restraintGate(situation: Situation, { master }: Case): Judgement {
  const restraint = restraintOf(situation, master);
  if (restraint === null) return passed('restraint', 'nothing holds it back');
  const { why, leftMs: left } = restraint;
  return { gate: 'restraint', verdict: left === null ? 'block' : 'wait', evidence: why, leftMs: left };
}

function candidateView(
  { settings, policy }: Situation,
  master: NodeView,
  { view, verdict }: Judged,
): CandidateView {
  const { report } = view;
  const { failoverPriority, zone } = nodePolicy(policy.cluster, view.node.id);
  const sequence = report?.sequence ?? null;
  const lag = sequence === null ? null : lagBehind(master.memory.positions, sequence);
  return {
    node: view.node.id,
    address: view.node.address,
    behind: lag?.kind === 'known' ? lag.count : null,
    priority: failoverPriority,
    zone,
    linkFault: report?.role === 'replica' ? linkFault(report, settings) : null,
    verdict: verdict.kind,
    reason: verdict.why,
  };
}

/** This member first. */
export function witnessesOf(
  { own, words, panel }: Testimony,
  settings: ControlSettings,
): readonly WitnessView[] {
  const others = validWords({ words }, settings).map(({ observer, kind, ageMs }) => ({
    by: observer,
    saw: kind,
    ageMs,
  }));
  return own === null ? others : [{ by: panel.self, saw: own.kind, ageMs: 0 }, ...others];
}
