// The problems that show in nodes and slots themselves, each said once.

import { unreachable } from '../base/assert.ts';
import { masterOf, ownedSlots } from '../topology/cluster.ts';
import {
  ALL_SLOTS,
  differenceSlots,
  intersectionSlots,
  printSlotRange,
  printSlotSet,
  slotSetOf,
} from '../topology/slot.ts';
import { RAISES_CONTESTED, RAISE_QUIET_MS } from './convergence.ts';
import type { NodeError, SourceJob } from './observation.ts';
import type { Problem, ProblemKind } from './problems.ts';
import { type NodeView, type Situation, errorText, masterView, nodeName, silenceText } from './situation.ts';

/** Pushes of one version that end without convergence before people hear of it. */
const FAILED_PUSHES_TOLD = 3;

/** Commits that fail in a row before people hear of it. */
const FAILED_COMMITS_TOLD = 3;

/** Everything but dead masters and migrations, which `failover.ts` and `migration.ts` report with their plans. */
export function diagnose(situation: Situation): Problem[] {
  const problems: Problem[] = [];
  for (const view of situation.views.values()) {
    problems.push(...conditionProblem(situation, view), ...convergenceProblem(view), ...jobProblem(view));
  }
  const uncovered = differenceSlots(ALL_SLOTS, ownedSlots(situation.cluster));
  if (uncovered.length > 0)
    problems.push(clusterProblem('slotsUncovered', `slots ${printSlotSet(uncovered).join(' ')}`));
  const { raise, commit } = situation.memory;
  if (raise.count >= RAISES_CONTESTED && situation.nowMs - raise.lastAtMs <= RAISE_QUIET_MS) {
    problems.push(
      clusterProblem(
        'versionContested',
        `the version was raised ${raise.count} times in a row, now ${situation.cluster.version}`,
      ),
    );
  }
  if (commit.failures >= FAILED_COMMITS_TOLD) {
    problems.push(clusterProblem('storeUnavailable', `${commit.failures} commits failed in a row`));
  }
  return problems;
}

function clusterProblem(kind: ProblemKind, detail: string): Problem {
  return { kind, shardIndex: null, node: null, address: null, detail };
}

function nodeProblem(kind: ProblemKind, view: NodeView, detail: string): Problem {
  const { shardIndex, node } = view;
  return { kind, shardIndex, node: node.id, address: node.address, detail: `${nodeName(view)}: ${detail}` };
}

function conditionProblem(situation: Situation, view: NodeView): Problem[] {
  const message = errorText(view.memory);
  switch (view.condition) {
    case 'unknown':
    case 'suspect':
      return [];
    case 'down':
      if (view.node.role === 'master') return [];
      return [nodeProblem('replicaUnreachable', view, silenceText(view))];
    case 'loading':
      return [nodeProblem('nodeLoading', view, message)];
    case 'impaired':
      return [nodeProblem(errorProblemKind(view.memory.error), view, message)];
    case 'answering':
      return linkProblem(situation, view);
    default:
      return unreachable(view.condition);
  }
}

function errorProblemKind(error: NodeError | null): ProblemKind {
  switch (error?.kind) {
    case 'passwordRequired':
    case 'wrongPassword':
    case 'passwordNotSet':
      return 'passwordRefused';
    case 'clusterDisabled':
      return 'clusterDisabled';
    case 'notKvrocks':
      return 'notKvrocks';
    case 'masterDown':
      return 'replicaRefusesStale';
    default:
      return 'nodeRefuses';
  }
}

function linkProblem(situation: Situation, view: NodeView): Problem[] {
  const isLinkless =
    view.node.role === 'replica' && view.need.kind === 'nothing' && view.report?.link === 'down';
  if (!isLinkless || masterView(situation, view.shard).condition !== 'answering') return [];
  return [nodeProblem('replicaLinkDown', view, `no link to ${masterOf(view.shard).address}`)];
}

function convergenceProblem(view: NodeView): Problem[] {
  const { need, memory } = view;
  switch (need.kind) {
    case 'nothing':
    case 'unseen':
    case 'raise':
      return [];
    case 'foreignNode':
      return [nodeProblem('foreignNode', view, need.why)];
    case 'foreignVersion':
      return [nodeProblem('foreignVersion', view, need.why)];
    case 'push': {
      if (memory.push.attempts < FAILED_PUSHES_TOLD) return [];
      const last = memory.push.error === null ? 'the node accepted it' : memory.push.error.message;
      return [
        nodeProblem(
          'notConverged',
          view,
          `${need.why} after ${memory.push.attempts} pushes, the last: ${last}`,
        ),
      ];
    }
    default:
      return unreachable(need);
  }
}

function jobProblem(view: NodeView): Problem[] {
  if (view.condition !== 'answering' || view.node.role !== 'master' || view.report === null) return [];
  const { sourceJob } = view.report;
  if (sourceJob === null || view.shard.migration?.stage.kind === 'started') return [];
  const slots = printSlotRange(sourceJob.range);
  if (isStillForbidden(view, sourceJob)) {
    return [nodeProblem('slotsWriteForbidden', view, `it counts slots ${slots} as moved away`)];
  }
  if (sourceJob.state !== 'start') return [];
  return [nodeProblem('unknownJob', view, `it moves slots ${slots} to ${sourceJob.destination}`)];
}

/** Slots that a master still counts as moved away although it owns them again: writes get TRYAGAIN (facts section 5.4). */
function isStillForbidden({ shard, need }: NodeView, job: SourceJob): boolean {
  if (job.state !== 'success' || need.kind !== 'nothing') return false;
  return intersectionSlots(shard.slots, slotSetOf([job.range])).length > 0;
}
