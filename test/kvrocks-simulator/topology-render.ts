// CLUSTER INFO, NODES, SLOTS and REPLICAS as the server prints them (facts section 2.4).

import { array, bulk, integer, type Reply } from './resp.ts';
import { SLOT_COUNT } from './slots.ts';
import type { TopologyState } from './topology-state.ts';
import type { ClusterNode } from './topology-text.ts';

interface OwnedRange {
  readonly start: number;
  readonly end: number;
  readonly owner: ClusterNode;
}

/** The constant part of CLUSTER INFO; the lines of migrations follow it. */
export function renderInfo(state: TopologyState): string {
  const assigned = state.owners.filter((owner) => owner !== null).length;
  const lines = [
    'cluster_state:ok',
    `cluster_slots_assigned:${assigned}`,
    `cluster_slots_ok:${assigned}`,
    'cluster_slots_pfail:0',
    'cluster_slots_fail:0',
    `cluster_known_nodes:${state.nodes.size}`,
    `cluster_size:${state.size}`,
    `cluster_current_epoch:${state.version}`,
    `cluster_my_epoch:${state.version}`,
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

/** `marks` is what the line of `myself` ends with while it migrates or imports. */
export function renderNodes(state: TopologyState, nowMs: number, marks: string): string {
  const slots = slotTexts(state);
  let text = '';
  for (const node of state.nodes.values()) {
    if (node === null) continue;
    const mine = node.id === state.myId;
    const suffix = (slots.get(node.id) ?? '') + (mine ? marks : '');
    text += `${describe(node, state, { mine, nowMs })}${suffix}\n`;
  }
  return text;
}

/** The slaves of one master, in the form of CLUSTER NODES. */
export function renderReplicas(state: TopologyState, master: ClusterNode, nowMs: number): string {
  let text = '';
  for (const id of master.replicaIds) {
    const node = state.nodes.get(id);
    if (node) text += `${describe(node, state, { mine: id === state.myId, nowMs })}\n`;
  }
  return text;
}

function describe(
  node: ClusterNode,
  state: TopologyState,
  options: { readonly mine: boolean; readonly nowMs: number },
): string {
  const { mine, nowMs } = options;
  const address = `${node.host}:${node.port}@${node.port + 10_000}`;
  const role = `${mine ? 'myself,' : ''}${node.role}`;
  return `${node.id} ${address} ${role} ${node.masterId} ${nowMs - 1} ${nowMs} ${state.version} connected`;
}

export function renderSlots(state: TopologyState): Reply {
  const items: Reply[] = [];
  for (const { start, end, owner } of ownedRanges(state)) {
    const replicas = owner.replicaIds
      .map((id) => state.nodes.get(id))
      .filter((node) => node !== undefined && node !== null);
    items.push(
      array([integer(start), integer(end), ...[owner, ...replicas].map((node) => slotAddress(node))]),
    );
  }
  return array(items);
}

function slotAddress(node: ClusterNode): Reply {
  return array([bulk(node.host), integer(node.port), bulk(node.id)]);
}

/** By node id: ` 0-100 101-8191`, each with its leading blank; the ranges of a stale object are printed under its id. */
export function slotTexts(state: TopologyState): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { start, end, owner } of ownedRanges(state)) {
    const range = start === end ? `${start}` : `${start}-${end}`;
    texts.set(owner.id, `${texts.get(owner.id) ?? ''} ${range}`);
  }
  return texts;
}

/** Runs of slots with the same owner object, in order. */
function ownedRanges(state: TopologyState): readonly OwnedRange[] {
  const ranges: OwnedRange[] = [];
  let start = 0;
  for (let slot = 1; slot <= SLOT_COUNT; slot += 1) {
    const owner = state.owners[start] ?? null;
    if (slot < SLOT_COUNT && state.owners[slot] === owner) continue;
    if (owner !== null) ranges.push({ start, end: slot - 1, owner });
    start = slot;
  }
  return ranges;
}
