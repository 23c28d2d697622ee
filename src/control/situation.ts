// Desired topology, facts, memory and time put side by side: what each node's condition is and what it needs.

import type { Circumstances, Condition, Sight } from './sight.ts';
import { assert } from '../base/assert.ts';
import { type NodePlace, allNodes, masterOf, replicasOf } from '../topology/cluster.ts';
import { UNSEEN_NODE } from '../topology/facts.ts';
import type { NodeId, Shard } from '../topology/types.ts';
import { type Presence, type ReplicasWord, type Testimony, presenceOf } from './evidence.ts';
import { type Loss, lossOf } from './loss.ts';
import { type Absence, type NodeMemory, evidenceOf, unseenNode, wordsOf } from './node-memory.ts';
import { heardMsMax } from './settings.ts';
import { type Need, needOf } from './target.ts';

export interface NodeView extends Sight {
  readonly need: Need;
}

/** Everything one decision looks at. */
export interface Situation extends Circumstances {
  readonly views: ReadonlyMap<NodeId, NodeView>;
}

export function lookAt(parts: Circumstances): Situation {
  const sights = new Map<NodeId, Sight>();
  for (const place of allNodes(parts.cluster)) sights.set(place.node.id, sightOf(parts, place));
  for (const shard of parts.cluster.shards) {
    const id = masterOf(shard).id;
    const master = sights.get(id);
    assert(master !== undefined, 'every node of the cluster has a sight');
    sights.set(id, { ...master, loss: lossAt(sights, master) });
  }
  const views = new Map<NodeId, NodeView>();
  for (const [id, sight] of sights) views.set(id, { ...sight, need: needOf(parts, sights, sight) });
  return { ...parts, views };
}

function sightOf(parts: Circumstances, place: NodePlace): Sight {
  const { id, address } = place.node;
  const memory = parts.memory.nodes.get(id) ?? unseenNode(address);
  const presence = presenceOf(testimonyOf(parts, place, memory), parts.settings);
  return {
    ...place,
    memory,
    facts: parts.facts.nodes.get(id) ?? UNSEEN_NODE,
    presence,
    condition: conditionOf(memory, presence),
    report: memory.look?.report ?? null,
    loss: null,
  };
}

/** All that speaks for and against the presence of a node. */
export function testimonyOf(parts: Circumstances, place: NodePlace, memory: NodeMemory): Testimony {
  const { nowMs, panel } = parts;
  const own = evidenceOf(memory, nowMs);
  const replicas = memory.absence === null ? 'none' : replicasWord(parts, place, memory.absence);
  return { own, words: wordsOf(memory, nowMs), replicas, panel };
}

/**
 * What the replicas of a missed master say of it. `last_io` counts whole seconds: a replica last heard from its master in the second before the
 * number it tells; one that has more than at the look before has heard since that look, which is the better clock while there are writes. Behind a master that only hangs, and behind dropped packets, its link says `up` for ever, and that number grows (facts section 8);
 * refused attempts to link renew it, so it counts with a link that is up only.
 */
function replicasWord(parts: Circumstances, { node, shard }: NodePlace, absence: Absence): ReplicasWord {
  const { settings, nowMs } = parts;
  const { sinceMs } = absence;
  if (node.role !== 'master') return 'none';
  let word: ReplicasWord = 'none';
  for (const { id } of replicasOf(shard)) {
    const memory = parts.memory.nodes.get(id);
    if (
      memory === undefined ||
      memory.absence !== null ||
      memory.blindSinceMs !== null ||
      memory.look === null
    )
      continue;
    if (memory.error !== null) continue;
    const { report, startedAtMs } = memory.look;
    if (startedAtMs < sinceMs) {
      word = 'unasked';
      continue;
    }
    if (report.link !== 'up' || report.syncInProgress || report.master !== node.address) continue;
    // What arrives when nobody listens any more was sent before, and takes its time on a slow link.
    const isGrowthOfNow = absence.kind !== 'refused' && memory.linked?.master === node.address;
    const grewAfterMs = isGrowthOfNow ? memory.linked.grewAfterMs : -Infinity;
    const ioAfterMs = startedAtMs - ((report.lastIoSeconds ?? Infinity) + 1) * 1000;
    const heardSinceMs = Math.max(ioAfterMs, grewAfterMs);
    if (heardSinceMs >= Math.max(sinceMs, nowMs - heardMsMax(settings))) return 'heard';
    if (word === 'none') word = 'linked';
  }
  return word;
}

function lossAt(sights: ReadonlyMap<NodeId, Sight>, master: Sight): Loss | null {
  const { memory, facts, report, node, shard } = master;
  if (report === null) return null;
  if (facts.remake !== null) return { isIdentityLost: report.version < 0, why: facts.remake };
  const sequences = replicasOf(shard).flatMap((replica) => {
    const seen = sights.get(replica.id);
    const isOfMaster =
      seen?.condition === 'answering' &&
      seen.facts.remake === null &&
      seen.report?.role === 'replica' &&
      seen.report.master === node.address;
    return isOfMaster && seen.report.sequence !== null ? [seen.report.sequence] : [];
  });
  const replicaSequence = sequences.length === 0 ? null : Math.max(...sequences);
  return lossOf(report, { memory, facts, replicaSequence });
}

export function viewOf(situation: Situation, id: NodeId): NodeView {
  const view = situation.views.get(id);
  assert(view !== undefined, 'every node of the cluster has a view');
  return view;
}

export function masterView(situation: Situation, shard: Shard): NodeView {
  return viewOf(situation, masterOf(shard).id);
}

/** `missed 3 probes in 6.0 s (connection refused)`, for people. */
export function silenceText({ memory: { absence, error } }: Sight): string {
  if (absence?.kind === 'stranger') return `is not there: ${absence.why}`;
  const lastedMs = absence === null ? 0 : absence.untilMs - absence.sinceMs;
  const why = absence?.why ?? errorText({ error });
  return `missed ${absence?.looks ?? 0} probes in ${(lastedMs / 1000).toFixed(1)} s (${why})`;
}

export function errorText({ error }: Pick<NodeMemory, 'error'>): string {
  return error === null ? 'no error' : error.message;
}

/** `<id, shortened> at <address>`, for people. */
export function nodeName(view: NodePlace): string {
  return `${view.node.id.slice(0, 8)} at ${view.node.address}`;
}

function conditionOf(memory: NodeMemory, presence: Presence): Condition {
  switch (presence) {
    case 'unseen':
      return 'unknown';
    case 'blind':
      return 'blind';
    case 'doubtful':
    case 'elsewhere':
    case 'linked':
      return 'suspect';
    case 'silent':
      return 'down';
    case 'gone':
      return 'gone';
    default:
      if (memory.error !== null) return memory.error.kind === 'loading' ? 'loading' : 'impaired';
      return memory.look === null ? 'unknown' : 'answering';
  }
}
