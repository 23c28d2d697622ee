// How data travels from masters to replicas: connections, partial and full synchronisations (facts sections 3.1, 3.5, 8).

import type { NodeAddress } from '../../../../src/topology/types.ts';
import type { Link, ModelNode } from './node.ts';
import type { World } from './world.ts';

const ENTRIES_A_TICK = 5;

/** From the first look at a node to the end of what a controller does about it; much longer where requests are lost. */
const REACTION_MS = 100;
const HINDERED_REACTION_MS = 3000;

/** One round of all replicas. */
export function replicate(world: World): void {
  for (const node of world.nodes) {
    if (node.life === 'up' && node.follows !== null) follow(world, node, node.follows);
  }
}

/** One round of one replica. */
export function follow(world: World, node: ModelNode, master: NodeAddress): void {
  const link = node.link ?? newLink(master);
  node.link = link;
  const peer = world.listenerAt(master);
  if (link.state === 'connecting') {
    connect(world, node, { link, peer });
    return;
  }
  // Whoever only hears nothing any more believes in its link for ever.
  if (node.isCutFromMaster) return;
  if (peer === null || peer !== link.peer || peer.incarnation !== link.incarnation) {
    link.state = 'connecting';
    return;
  }
  if (peer.life === 'hung') return;
  link.lastIoMs = world.nowMs;
  if (link.state === 'syncing') synchronise(world, node, { link, peer });
  else if (!node.isStuck && world.chance(80)) node.log.pull(peer.log, ENTRIES_A_TICK);
}

interface Connection {
  readonly link: Link;
  readonly peer: ModelNode;
}

function newLink(master: NodeAddress): Link {
  return {
    master,
    state: 'connecting',
    peer: null,
    incarnation: 0,
    lastIoMs: -Infinity,
    syncBeganMs: 0,
    syncEndsMs: 0,
    isByFault: false,
  };
}

/** PSYNC compares sequence numbers and nothing else. */
function connect(
  world: World,
  node: ModelNode,
  { link, peer }: { readonly link: Link; readonly peer: ModelNode | null },
): void {
  if (node.isCutFromMaster || peer === null || peer === node || peer.life !== 'up') return;
  // What a stranger gives that no controller may ever see, or to a node that none can look at, or does, leaves no trace (facts section 3.5).
  const isUnwatched = node.isCutFromControl || !world.isMember(node);
  const isTraceless = isUnwatched || (peer.reachedMs === Infinity && world.weather.lossPercent > 0);
  if (isTraceless && peer !== world.nodeAt(link.master)) return;
  if (peer.isFenced || peer.isLoading(world.nowMs) || !world.chance(world.connectPercent)) return;
  link.peer = peer;
  link.incarnation = peer.incarnation;
  link.lastIoMs = world.nowMs;
  const isContinued = node.log.sequence > 0 || world.chance(60);
  if (node.log.sequence <= peer.log.sequence && isContinued) {
    link.state = 'live';
    world.note(
      () => `${node.name} at ${node.log.sequence} continues from ${peer.name} at ${peer.log.sequence}`,
    );
    return;
  }
  link.state = 'syncing';
  link.syncBeganMs = world.nowMs;
  link.syncEndsMs = world.nowMs + 100 + world.below(world.weather.syncMsMax);
  link.isByFault = isByFault(world, node, peer);
  world.note(
    () => `${node.name} at ${node.log.sequence} begins a full sync from ${peer.name} at ${peer.log.sequence}`,
  );
}

function synchronise(world: World, node: ModelNode, { link, peer }: Connection): void {
  if (world.nowMs < link.syncEndsMs) return;
  const before = node.log;
  node.log = peer.log.copy();
  node.incarnation += 1;
  link.state = 'live';
  world.note(() => `${node.name} has all of ${peer.name}, at ${node.log.sequence}`);
  const cause = { why: `${node.name} was made a copy of ${peer.name}`, isByFault: link.isByFault };
  world.ledger.dropped(
    before.writes(),
    cause,
    link.isByFault ? (other) => world.isCopy(other, node) : undefined,
  );
  node.hollow = link.isByFault ? { seenMs: Infinity } : peer.hollow;
}

/** What was to be done about it was lost a moment ago, and is not repeated at once. */
export function isToBeToldAgain({ nowMs }: World, { lostMs }: ModelNode): boolean {
  return nowMs <= lostMs + HINDERED_REACTION_MS;
}

/** Whether the node runs after one without its data, or whom others told it to follow, before any controller could have kept it from that. */
function isByFault(world: World, node: ModelNode, peer: ModelNode): boolean {
  const { nowMs, weather, isContested } = world;
  const { hollow } = peer;
  if (node.isMisled && isContested) return true;
  const isHindered = weather.lossPercent > 0 || weather.commitFailurePercent > 0;
  const reactionMs = isHindered ? HINDERED_REACTION_MS : REACTION_MS;
  if (hollow === null && !node.isMisled) return false;
  // Whoever was taken out of the cluster follows whom it followed before.
  if (hollow !== null && !world.isMember(node)) return true;
  // An emptied master is to be fenced as soon as it is seen since it started, whether or not anybody can tell its replicas.
  if (hollow !== null && world.isFenceable(peer))
    return nowMs <= Math.max(hollow.seenMs, peer.reachedMs) + reactionMs || isToBeToldAgain(world, peer);
  return nowMs <= Math.max(hollow?.seenMs ?? 0, node.reachedMs) + reactionMs;
}
