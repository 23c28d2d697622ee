// A check of a cluster: the store, what the leader has seen, and what every node says of itself and of the whole, compared at one time.

import { differenceSlots, ALL_SLOTS } from '../topology/slot.ts';
import { ownedSlots } from '../topology/cluster.ts';
import type { ClusterVersion, NodeId } from '../topology/types.ts';
import { nodeFindings } from './check-nodes.ts';
import { movesUnderWay, slotFindings } from './check-slots.ts';
import { diagnose } from './diagnosis.ts';
import { allUnderWay, type Examination, saidOf } from './examination.ts';
import { type Finding, findingOfProblem } from './finding.ts';
import type { Problem, ProblemKind, Severity } from './problems.ts';
import { isFresh } from './sight.ts';
import type { Situation } from './situation.ts';

/** Why nothing was checked: this member does not lead, or the cluster is gone. */
export interface CheckRefusal {
  readonly kind: 'notLeader' | 'missing';
}

export interface ClusterCheck {
  /** Nothing above `info` was found. */
  readonly isClean: boolean;
  readonly version: ClusterVersion;
  /** Seconds since the Unix epoch. */
  readonly checkedAtSeconds: number;
  readonly nodesAsked: number;
  readonly nodesAnswered: number;
  /** The gravest first. */
  readonly findings: readonly Finding[];
}

/** Problems of the cluster or of a node that a check tells, too; the others are no matter of state, but of health or of wishes. */
const OF_STATE: ReadonlySet<ProblemKind> = new Set([
  'slotsUncovered',
  'versionContested',
  'clusterObserved',
  'unrecordedHandOver',
  'slotsWriteForbidden',
  'unknownJob',
  'replicaLinkDown',
  'passwordRefused',
  'foreignVersion',
  'copyNotProven',
]);

/** Problems of a node that does not answer as one should: they say more than that it is silent. */
const OF_CONDITION: ReadonlySet<ProblemKind> = new Set([
  'ownFault',
  'foreignNode',
  'nodeLoading',
  'passwordRefused',
  'clusterDisabled',
  'tooManyClients',
  'replicaRefusesStale',
  'nodeRefuses',
]);

/** What a node differs in is a consequence of these, and mended with them. */
const SAYS_ALL: ReadonlySet<ProblemKind> = new Set(['foreignVersion', 'copyNotProven', 'masterDataLost']);

const SEVERITIES = ['critical', 'error', 'warning', 'info'] as const satisfies readonly Severity[];

/** Everything in which nodes and store disagree, with its remedy. Whatever nodes have answered, this ends. */
export function checkOf(examination: Examination): ClusterCheck {
  const { situation, askedAtMs, departed } = examination;
  const diagnosed = diagnose(situation);
  const problems = [...stateProblems(situation, diagnosed, askedAtMs), ...departed];
  const told = new Set<NodeId>();
  for (const { kind, node } of problems) {
    const isAll = SAYS_ALL.has(kind) || (OF_CONDITION.has(kind) && !isAnswering(situation, node, askedAtMs));
    if (node !== null && isAll) told.add(node);
  }
  const unowned = differenceSlots(ALL_SLOTS, ownedSlots(situation.cluster));
  const stuck = stuckNodes(diagnosed);
  const underWay = allUnderWay(situation, stuck);
  const findings = [
    ...problems.map((problem) => findingOfProblem(situation, problem)),
    ...slotFindings(examination, { underWay, unowned }),
    ...nodeFindings(examination, { told, underWay, unowned, stuck }),
    ...movesUnderWay(situation),
  ];
  const views = [...situation.views.values()];
  return {
    isClean: findings.every(({ severity }) => severity === 'info'),
    version: situation.cluster.version,
    checkedAtSeconds: situation.nowSeconds,
    nodesAsked: views.length,
    nodesAnswered: views.filter((view) => isFresh(view, askedAtMs)).length,
    findings: SEVERITIES.flatMap((severity) => findings.filter((finding) => finding.severity === severity)),
  };
}

/** Of a node that did not answer now only what says why. */
function stateProblems(
  situation: Situation,
  diagnosed: readonly Problem[],
  askedAtMs: number,
): readonly Problem[] {
  const problems = diagnosed.filter(({ kind, node }) => {
    if (node !== null && !isAnswering(situation, node, askedAtMs))
      return OF_CONDITION.has(kind) || kind === 'unrecordedHandOver';
    return OF_STATE.has(kind);
  });
  return [...problems, ...lostData(situation)];
}

/** Nodes that do not come into their place although that was tried, or held back, for long, and why. */
function stuckNodes(problems: readonly Problem[]): ReadonlyMap<NodeId, string> {
  return new Map(
    problems.flatMap(({ kind, node, detail }) =>
      kind === 'notConverged' && node !== null ? [[node, detail]] : [],
    ),
  );
}

function isAnswering(situation: Situation, node: NodeId | null, askedAtMs: number): boolean {
  const view = node === null ? undefined : situation.views.get(node);
  return view !== undefined && isFresh(view, askedAtMs);
}

function lostData({ views }: Situation): readonly Problem[] {
  return [...views.values()].flatMap((view): readonly Problem[] => {
    if (view.loss === null || view.condition !== 'answering') return [];
    const { shardIndex, node } = view;
    const detail = saidOf(view, view.loss.why);
    return [{ kind: 'masterDataLost', shardIndex, node: node.id, address: node.address, detail }];
  });
}
