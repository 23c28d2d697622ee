// The problems that show in nodes and slots themselves, each said once.

import { unreachable } from '../base/assert.ts';
import { printTime } from '../base/wall-time.ts';
import { masterOf, ownedSlots } from '../topology/cluster.ts';
import { type Maintenance, nodePolicy, wishAt } from '../topology/policy.ts';
import { ALL_SLOTS, differenceSlots, printSlotRange, printSlotSet } from '../topology/slot.ts';
import { heldText, maySourceOf } from './convergence.ts';
import { handOverRemedy, unrecordedHandOvers } from './hand-over.ts';
import { unreachedSinceMs } from './inquiry.ts';
import { isLeaseExpired } from './lease.ts';
import { refusedStill } from './lending.ts';
import { LINKING_MS, lagBehind, linkFault } from './link.ts';
import { isMajority, type Presence, validWords } from './evidence.ts';
import type { NodeError } from './observation.ts';
import { type NodeMemory, wordsOf } from './node-memory.ts';
import type { Problem, ProblemKind } from './problems.ts';
import { automationRestraint, massFailureRestraint, wishText } from './restraint.ts';
import { failureWindowMs } from './settings.ts';
import {
  type NodeView,
  type Situation,
  errorText,
  masterView,
  nodeName,
  silenceText,
  testimonyOf,
} from './situation.ts';

/** Pushes of one version that end without convergence before people hear of it. */
const FAILED_PUSHES_TOLD = 3;

/** A disk that is fuller than this is told: what is left goes with one compaction. */
const DISK_USED_PERCENT_MAX = 95;

/** Nodes with somebody else's topology that are named. */
const HIGHER_VERSIONS_TOLD = 3;

/** Commits that fail in a row before people hear of it. */
const FAILED_COMMITS_TOLD = 3;

/** Everything but dead masters and migrations, which `failover.ts` and `migration.ts` report with their plans. */
export function diagnose(situation: Situation): Problem[] {
  const problems: Problem[] = [];
  for (const view of situation.views.values()) {
    problems.push(
      ...maintenanceProblem(situation, view),
      ...conditionProblem(situation, view),
      ...copyProblem(view),
      ...convergenceProblem(situation, view),
      ...jobProblem(view),
      ...leaseProblem(situation, view),
    );
  }
  const uncovered = differenceSlots(ALL_SLOTS, ownedSlots(situation.cluster));
  if (uncovered.length > 0)
    problems.push(clusterProblem('slotsUncovered', `slots ${printSlotSet(uncovered).join(' ')}`));
  const { commit } = situation.memory;
  const { contestedVersion, observedSinceSeconds } = situation.facts;
  if (observedSinceSeconds !== null) {
    const detail = `since ${printTime(observedSinceSeconds)}, when this group was made out of a backup`;
    problems.push(clusterProblem('clusterObserved', [detail, ...higherVersions(situation)].join('; ')));
  }
  if (contestedVersion !== null) {
    const detail = `since version ${contestedVersion} somebody else pushes topologies to nodes of this cluster`;
    problems.push(clusterProblem('versionContested', [detail, ...higherVersions(situation)].join('; ')));
  }
  for (const handOver of unrecordedHandOvers(situation)) {
    const remedy = handOverRemedy(handOver);
    if (remedy !== null) problems.push(nodeProblem('unrecordedHandOver', handOver.source, remedy));
  }
  for (const [kind, restraint] of [
    ['failoverPaused', automationRestraint(situation)],
    ['massFailure', massFailureRestraint(situation)],
  ] as const) {
    if (restraint !== null) problems.push(clusterProblem(kind, restraint.why));
  }
  if (commit.failures >= FAILED_COMMITS_TOLD) {
    problems.push(clusterProblem('storeUnavailable', `${commit.failures} commits failed in a row`));
  }
  return problems;
}

/** Nodes that hold a version above ours now: what to find the other one by. */
function higherVersions(situation: Situation): readonly string[] {
  return [...situation.views.values()]
    .filter(({ need }) => need.kind === 'raise')
    .slice(0, HIGHER_VERSIONS_TOLD)
    .map(
      (view) => `${nodeName(view)} has version ${view.report?.version ?? 0}, ${heldText(situation, view)}`,
    );
}

function clusterProblem(kind: ProblemKind, detail: string): Problem {
  return { kind, shardIndex: null, node: null, address: null, detail };
}

function nodeProblem(kind: ProblemKind, view: NodeView, detail: string): Problem {
  const { shardIndex, node } = view;
  return { kind, shardIndex, node: node.id, address: node.address, detail: `${nodeName(view)}: ${detail}` };
}

function leaseProblem(situation: Situation, view: NodeView): Problem[] {
  if (!isLeaseExpired(situation, view)) return [];
  const agoMs = situation.nowMs - view.memory.lease.renewedAtMs;
  const detail = `its lease was last renewed ${Math.round(agoMs / 1000)} s ago: it takes no writes`;
  return [nodeProblem('leaseExpired', view, detail)];
}

function maintenanceProblem(situation: Situation, view: NodeView): Problem[] {
  const wish = maintenanceOf(situation, view);
  return wish === null ? [] : [nodeProblem('nodeInMaintenance', view, `in maintenance${wishText(wish)}`)];
}

/** Why somebody works on a node now; null when nobody does. */
export function maintenanceOf({ policy, nowSeconds }: Situation, { node }: NodeView): Maintenance | null {
  return wishAt(nodePolicy(policy.cluster, node.id).maintenance, nowSeconds);
}

function conditionProblem(situation: Situation, view: NodeView): Problem[] {
  const message = errorText(view.memory);
  const isExpected = view.node.role === 'replica' && maintenanceOf(situation, view) !== null;
  switch (view.condition) {
    case 'unknown':
      return [];
    case 'suspect':
      return isExpected ? [] : unconfirmedProblem(situation, view);
    case 'down':
      if (view.node.role === 'master' || isExpected) return [];
      return [nodeProblem('replicaUnreachable', view, silenceText(view))];
    case 'gone':
      return [nodeProblem('foreignNode', view, silenceText(view))];
    case 'blind':
      return [nodeProblem('ownFault', view, message)];
    case 'loading':
      return [nodeProblem('nodeLoading', view, message)];
    case 'impaired':
      return [nodeProblem(errorProblemKind(view.memory.error), view, message)];
    case 'answering':
      return [...linkProblem(situation, view), ...settingsProblem(view)];
    default:
      return unreachable(view.condition);
  }
}

/** A node that would count as down by this controller's word alone. */
function unconfirmedProblem(situation: Situation, view: NodeView): Problem[] {
  const { node, memory, presence } = view;
  const { nowMs } = situation;
  if (unreachedSinceMs(situation, view) === null || isOnlyEarly(situation, view)) return [];
  const kind = node.role === 'master' ? 'masterUnconfirmed' : 'replicaUnreachable';
  return [nodeProblem(kind, view, `${silenceText(view)}, but ${againstText(presence, memory, nowMs)}`)];
}

/** A majority misses it, nobody hears from it: what is missing still is a look or two. */
function isOnlyEarly(situation: Situation, view: NodeView): boolean {
  if (view.presence !== 'doubtful') return false;
  const { panel, words } = testimonyOf(situation, view, view.memory);
  return isMajority(panel, validWords({ words }, situation.settings));
}

/** What speaks against its death, for people. */
function againstText(presence: Presence, memory: NodeMemory, nowMs: number): string {
  if (presence === 'linked') return 'a replica of it still hears from it';
  const words = wordsOf(memory, nowMs);
  const answered = words.filter(({ kind }) => kind === 'answered').map(({ observer }) => observer);
  if (answered.length > 0) return `it answers controller ${answered.join(', ')}`;
  const said = words.map(({ observer, kind }) => `controller ${observer}: ${kind}`);
  return `no majority of the controllers confirms that (${said.length === 0 ? 'none has said what it sees' : said.join(', ')})`;
}

function errorProblemKind(error: NodeError | null): ProblemKind {
  switch (error?.kind) {
    case 'passwordRequired':
    case 'wrongPassword':
    case 'passwordNotSet':
      return 'passwordRefused';
    case 'clusterDisabled':
      return 'clusterDisabled';
    case 'tooManyClients':
      return 'tooManyClients';
    case 'masterDown':
      return 'replicaRefusesStale';
    default:
      return 'nodeRefuses';
  }
}

/** Whether a replica that is in place could take over: first its link, then how far behind it is. */
function linkProblem(situation: Situation, view: NodeView): Problem[] {
  const { report, need, node, facts } = view;
  if (node.role !== 'replica' || need.kind !== 'nothing' || report === null || facts.remake !== null)
    return [];
  const master = masterView(situation, view.shard);
  if (master.condition !== 'answering' || master.loss !== null) return [];
  if (isLinkNew(situation, view, master)) return [];
  const fault = linkFault(report, situation.settings);
  if (fault !== null)
    return [nodeProblem('replicaLinkDown', view, `${fault} (${masterOf(view.shard).address})`)];
  const lag = lagBehind(master.memory.positions, report.sequence ?? 0);
  if (lag.kind === 'unknown' || !(lag.isOld || lag.count > situation.settings.lagMax)) return [];
  const moved = isMoving(view) ? '' : ', and it does not move';
  return [
    nodeProblem('replicaBehind', view, `it is ${lag.count} sequence numbers behind its master${moved}`),
  ];
}

/** A link that never lived and kept up, or does so only since a moment, and may still become what it should be. One that did and broke is told at once. */
function isLinkNew({ nowMs }: Situation, { memory, facts }: NodeView, { node }: NodeView): boolean {
  const { linked, unlinked, push } = memory;
  if (facts.following === node.id) return false;
  if (unlinked === null) return linked !== null && nowMs - linked.sinceMs < LINKING_MS;
  if (linked?.master === node.address) return false;
  const toldAtMs = unlinked.report.master === node.address ? unlinked.atMs : push.endedAtMs;
  return nowMs - toldAtMs < LINKING_MS;
}

function isMoving({ memory: { positions } }: NodeView): boolean {
  const [first, last] = [positions[0], positions.at(-1)];
  return first !== undefined && last !== undefined && last.sequence > first.sequence;
}

function settingsProblem(view: NodeView): Problem[] {
  const problems: Problem[] = [];
  if (view.report?.login === 'refused' || view.report?.login === 'needless') {
    const detail =
      view.report.login === 'refused'
        ? 'open connections work on, a new one would be refused'
        : 'a password is recorded and the node has none';
    problems.push(nodeProblem('passwordRefused', view, detail));
  }
  if (view.report?.emptiesBeforeFullSync === true) {
    problems.push(nodeProblem('emptiesBeforeFullSync', view, 'slave-empty-db-before-fullsync is "yes"'));
  }
  const { diskUsedPercent = 0 } = view.report ?? {};
  if (diskUsedPercent >= DISK_USED_PERCENT_MAX)
    problems.push(nodeProblem('diskFull', view, `${Math.floor(diskUsedPercent)} % of its disk are in use`));
  return problems;
}

function copyProblem(view: NodeView): Problem[] {
  const { facts, need } = view;
  if (need.kind === 'aside') {
    return [
      nodeProblem(
        'copyNotProven',
        view,
        `${facts.remake ?? 'its copy is not proven'}; kept aside: ${need.why}`,
      ),
    ];
  }
  return facts.remake === null ? [] : [nodeProblem('copyNotProven', view, facts.remake)];
}

/** Longer than a look at everybody takes: whoever may have handed slots over to it hangs. */
function heldBare(situation: Situation, view: NodeView): Problem[] {
  const source = view.node.role === 'master' ? maySourceOf(situation, view) : null;
  const sinceMs = view.memory.bareSinceMs;
  if (source === null || situation.nowMs - sinceMs < failureWindowMs(situation.settings)) return [];
  const detail =
    `${nodeName(view)} came back without a topology or any write, and is told who it is once ${nodeName(source)} was looked at again, ` +
    'which may have handed slots over to it: mend that one, or end its process; or, if nobody has moved slots by hand, accept this one as it is: ' +
    `POST .../shards/${view.shardIndex}/failover {"preferred_node_id":"${view.node.id}","force":true}`;
  return [nodeProblem('notConverged', view, detail)];
}

function convergenceProblem(situation: Situation, view: NodeView): Problem[] {
  const { need, memory } = view;
  switch (need.kind) {
    case 'nothing':
    case 'unseen':
    case 'raise':
    case 'wait':
    case 'condemn':
    case 'startOver':
    case 'outrun':
    case 'fence':
    case 'aside':
      return [];
    case 'foreignVersion':
      return [nodeProblem('foreignVersion', view, `${need.why}, ${heldText(situation, view)}`)];
    case 'push': {
      if (memory.push.attempts < FAILED_PUSHES_TOLD) return heldBare(situation, view);
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
  if (refusedStill(view, view.shard) !== null) {
    return [nodeProblem('slotsWriteForbidden', view, `it counts slots ${slots} as moved away`)];
  }
  if (sourceJob.state !== 'start') return [];
  return [nodeProblem('unknownJob', view, `it moves slots ${slots} to ${sourceJob.destination}`)];
}
