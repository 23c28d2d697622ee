// In what single nodes differ from what is committed: by their looks, and by the topology that each of them holds.

import { masterOf } from '../topology/cluster.ts';
import type { NodesLine } from '../topology/cluster-nodes-text.ts';
import { differencesFrom, differenceText } from '../topology/compare.ts';
import { differenceSlots, intersectionSlots } from '../topology/slot.ts';
import type { Cluster, NodeId, SlotSet } from '../topology/types.ts';
import { maintenanceOf } from './diagnosis.ts';
import { type Examination, saidOf, type ToldTopology } from './examination.ts';
import { type Finding, findingAt, type FoundKind, syncCall } from './finding.ts';
import type { NodeReport } from './observation.ts';
import type { Severity } from './problems.ts';
import { isFresh } from './sight.ts';
import { errorText, type NodeView, type Situation, silenceText } from './situation.ts';
import { doubtOfRepeating } from './sync.ts';

/** One thing in which a node differs, for people. */
interface Difference {
  readonly kind: keyof typeof SEVERITIES_OF;
  readonly text: string;
}

/** What could not be read may be in order. */
const SEVERITIES_OF = {
  noTopology: 'error',
  wrongId: 'error',
  wrongVersion: 'error',
  wrongRole: 'error',
  wrongMaster: 'error',
  wrongTopology: 'error',
  topologyUnread: 'warning',
} as const satisfies Partial<Record<FoundKind, Severity>>;

/** What is not to be said again, or explains a difference. */
export interface Known {
  /** Nodes of which a problem says already what is wrong. */
  readonly told: ReadonlySet<NodeId>;
  /** Why a node may differ for a while. */
  readonly underWay: ReadonlyMap<NodeId, string>;
  /** Nodes that do not come into their place by themselves, and why. */
  readonly stuck: ReadonlyMap<NodeId, string>;
  /** Slots that no shard owns: nodes go on listing those they had (facts section 2.4). */
  readonly unowned: SlotSet;
}

/** At most one finding a node. */
export function nodeFindings(examination: Examination, known: Known): readonly Finding[] {
  const { situation, askedAtMs, told } = examination;
  const compare = comparison(situation.cluster, known.unowned);
  return [...situation.views.values()].flatMap((view) => {
    const { id } = view.node;
    if (known.told.has(id)) return [];
    const topology = told.get(id) ?? NOT_ASKED;
    const { report } = view;
    if (report === null || !isFresh(view, askedAtMs)) return [silent(situation, view, topology)];
    return differing(
      { situation, view, report },
      { topology, compare, why: known.underWay.get(id) ?? null, stuck: known.stuck.get(id) ?? null },
    );
  });
}

const NOT_ASKED: ToldTopology = { kind: 'failed', why: 'it was not asked' };

function silent(situation: Situation, view: NodeView, topology: ToldTopology): Finding {
  const { node, shardIndex } = view;
  const isMaster = node.role === 'master';
  const why = whySilent(view, topology);
  const isExpected = maintenanceOf(situation, view) !== null;
  const severity = isMaster ? 'critical' : 'error';
  const { name } = situation.cluster;
  const otherwise = isMaster
    ? `if it is lost and no replica takes over, GET .../clusters/${name}/shards/${shardIndex}/explain says why`
    : `if it is lost, DELETE .../clusters/${name}/shards/${shardIndex}/nodes/${node.id}`;
  return findingAt(view, {
    kind: 'nodeSilent',
    severity: isExpected ? 'info' : severity,
    text: saidOf(view, `it does not answer${isExpected ? ', and is in maintenance' : ''} (${why})`),
    remedy: `Start it, or repair the network between it and this controller; ${otherwise}.`,
  });
}

function whySilent(view: NodeView, topology: ToldTopology): string {
  if (view.memory.absence !== null) return silenceText(view);
  if (topology.kind === 'failed') return topology.why;
  return view.memory.error === null ? 'no look at it has ended in time' : errorText(view.memory);
}

interface Asked {
  readonly situation: Situation;
  readonly view: NodeView;
  readonly report: NodeReport;
}

interface Compared {
  readonly topology: ToldTopology;
  readonly compare: Comparison;
  readonly why: string | null;
  readonly stuck: string | null;
}

function differing(asked: Asked, { topology, compare, why, stuck }: Compared): readonly Finding[] {
  const { situation, view, report } = asked;
  const ofLook = differencesOfLook(situation.cluster, view, report);
  const differences = [...ofLook, ...differencesOfTopology(report, topology, compare)];
  const [first] = differences;
  if (first === undefined) return [];
  const isBetween = ofLook.length === 0 && topology.kind === 'told' && versionOf(topology) !== report.version;
  const explained = isBetween ? 'its topology was changed while it was asked' : why;
  return [
    findingAt(view, {
      kind: first.kind,
      severity: explained === null ? SEVERITIES_OF[first.kind] : 'info',
      text: saidOf(view, differences.map(({ text }) => text).join('; ')),
      remedy: explained === null ? remedyOf(asked, first.kind, stuck) : `Wait: ${explained}.`,
    }),
  ];
}

function remedyOf(
  { situation, view, report }: Asked,
  kind: Difference['kind'],
  stuck: string | null,
): string {
  if (kind === 'topologyUnread')
    return `Mend what is in the way and check again; if its topology makes no sense: ${syncCall(situation, view)}.`;
  if (situation.facts.observedSinceSeconds !== null)
    return `Decide which of both is right: what is recorded, POST .../clusters/${situation.cluster.name}/accept, or what the nodes say: delete the cluster, which tells them nothing, and import it from them.`;
  if (situation.facts.contestedVersion !== null)
    return `Make sure that only this controller group manages the cluster, then confirm it: POST .../clusters/${situation.cluster.name}/sync.`;
  if (stuck !== null) return `${stuck}. To have it tried at once: ${syncCall(situation, view)}.`;
  const doubt = doubtOfRepeating(situation, view, report);
  return `${doubt === null ? '' : `Wait, since ${doubt}; then `}${syncCall(situation, view)}.`;
}

/** Version, identity, role and whom it follows, as the leader sees them in every look. */
function differencesOfLook(
  cluster: Cluster,
  { node, shard }: NodeView,
  report: NodeReport,
): readonly Difference[] {
  if (report.version < 0) return [{ kind: 'noTopology', text: 'it has no topology' }];
  const differences: Difference[] = [];
  if (report.id !== node.id)
    differences.push({
      kind: 'wrongId',
      text: `it calls itself ${report.id ?? 'nothing'} instead of ${node.id}`,
    });
  if (report.version !== cluster.version)
    differences.push({
      kind: 'wrongVersion',
      text: `it has version ${report.version} instead of ${cluster.version}`,
    });
  const master = node.role === 'master' ? null : masterOf(shard).address;
  if (report.role !== node.role)
    differences.push({
      kind: 'wrongRole',
      text: `it is ${roleText(report)} instead of ${placeText(master)}`,
    });
  else if (report.master !== master)
    differences.push({
      kind: 'wrongMaster',
      text: `it is ${roleText(report)} instead of ${placeText(master)}`,
    });
  return differences;
}

function roleText({ role, master }: NodeReport): string {
  return role === 'master' ? 'a master' : `a replica of ${master ?? 'nobody'}`;
}

function placeText(master: string | null): string {
  return master === null ? 'a master' : `a replica of ${master}`;
}

function differencesOfTopology(
  report: NodeReport,
  topology: ToldTopology,
  compare: Comparison,
): readonly Difference[] {
  switch (topology.kind) {
    case 'none':
      return report.version < 0 ? [] : [{ kind: 'wrongTopology', text: 'it has a version and no topology' }];
    case 'failed':
      return [{ kind: 'topologyUnread', text: `what it holds could not be read (${topology.why})` }];
    default: {
      const differences = compare(topology.lines);
      if (differences.length === 0) return [];
      return [{ kind: 'wrongTopology', text: `it holds ${differenceText(differences)}` }];
    }
  }
}

function versionOf({ lines }: Extract<ToldTopology, { readonly kind: 'told' }>): number | null {
  return lines[0]?.version ?? null;
}

type Comparison = (lines: readonly NodesLine[]) => readonly string[];

/** Nodes that hold one topology share its lines, which are compared once. */
function comparison(cluster: Cluster, unowned: SlotSet): Comparison {
  const known = new Map<readonly NodesLine[], readonly string[]>();
  return (lines) => {
    const before = known.get(lines);
    if (before !== undefined) return before;
    const owned = unowned.length === 0 ? lines : lines.map((line) => without(line, unowned));
    const differences = differencesFrom(cluster, owned);
    known.set(lines, differences);
    return differences;
  };
}

function without(line: NodesLine, unowned: SlotSet): NodesLine {
  if (intersectionSlots(line.slots, unowned).length === 0) return line;
  return { ...line, slots: differenceSlots(line.slots, unowned) };
}
