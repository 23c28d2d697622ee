// CLUSTER INFO | NODES | SLOTS | KEYSLOT | RESET | REPLICAS | IMPORT (facts sections 0, 1, 2.4, 5.2 and 7).

import type { Result } from '../../../src/base/result.ts';
import { argument, type Command, type Invocation } from '../command.ts';
import type { SimulatedNode } from '../node.ts';
import { error, integer, NO_REPLY, OK, verbatim, type Reply } from '../resp.ts';
import { parseInt64, parseSlotRanges, rangeText, slotOfKey, type SlotRange } from '../slots.ts';
import { renderInfo, renderNodes, renderReplicas, renderSlots } from '../topology-render.ts';

const USAGE = error('ERR CLUSTER command, CLUSTER INFO|NODES|SLOTS|KEYSLOT|RESET|REPLICAS');
const NOT_ENABLED = error('ERR Cluster mode is not enabled');
const NOT_INITIALIZED = error('CLUSTERDOWN The cluster is not initialized');

/** Runs when parsing succeeded and cluster mode is on. */
type Action = () => Reply | Promise<Reply>;

export const CLUSTER: Command = {
  name: 'cluster',
  arity: -2,
  run(invocation) {
    const parsed = parse(invocation);
    if (typeof parsed !== 'function') return parsed;
    return invocation.node.clusterEnabled ? parsed() : NOT_ENABLED;
  },
};

function parse(invocation: Invocation): Action | Reply {
  const { node, args } = invocation;
  switch (`${argument(args, 1).toLowerCase()} ${args.length}`) {
    case 'info 2':
      return whenInitialized(node, () => verbatim(renderInfo(node.topology) + movingLines(node)));
    case 'nodes 2':
      return whenInitialized(node, () => nodes(node));
    case 'slots 2':
      return whenInitialized(node, () => renderSlots(node.topology));
    case 'keyslot 3':
      return () => integer(slotOfKey(argument(args, 2)));
    case 'replicas 3':
      return whenInitialized(node, () => replicas(node, argument(args, 2)));
    case 'reset 2':
    case 'reset 3':
      return parseReset(invocation);
    case 'import 4':
      return parseImport(invocation);
    default:
      return USAGE;
  }
}

function whenInitialized(node: SimulatedNode, action: () => Reply): Action {
  return () => (node.topology.initialized ? action() : NOT_INITIALIZED);
}

function nodes(node: SimulatedNode): Reply {
  if (node.topology.poisoned) node.crash('CLUSTER NODES met an unknown node');
  return verbatim(renderNodes(node.topology, Date.now(), movingMarks(node)));
}

function replicas(node: SimulatedNode, id: string): Reply {
  const master = node.topology.nodes.get(id);
  if (!master) return error('ERR Invalid cluster node id');
  if (master.role !== 'master') return error("ERR The node isn't a master");
  return verbatim(renderReplicas(node.topology, master, Date.now()));
}

/** On a master only, and only once there was a migration or import (facts section 5.2). */
function movingLines(node: SimulatedNode): string {
  if (node.topology.myself?.role !== 'master') return '';
  const { status } = node.migration;
  const { state, range } = node.slotImport;
  let lines = '';
  if (status !== null) {
    lines += `migrating_slot(s): ${rangeText(status.range)}\r\ndestination_node: ${status.destination}\r\n`;
    lines += `migrating_state: ${status.state}\r\n`;
  }
  if (range !== null) lines += `importing_slot(s): ${rangeText(range)}\r\nimport_state: ${state}\r\n`;
  return lines;
}

function movingMarks(node: SimulatedNode): string {
  const { running } = node.migration;
  const { state, range } = node.slotImport;
  let marks = '';
  if (running !== null) marks += ` [${rangeText(running.range)}->-${running.destination}]`;
  if (state === 'start' && range !== null) {
    marks += ` [${rangeText(range)}-<-${node.topology.owners[range.start]?.id ?? ''}]`;
  }
  return marks;
}

/** HARD and SOFT are the same. */
function parseReset({ node, args }: Invocation): Action | Reply {
  const mode = args.length === 3 ? argument(args, 2).toLowerCase() : 'hard';
  if (mode !== 'hard' && mode !== 'soft') return error('ERR syntax error');
  return async () => replyOf(await node.gate.run(async () => node.reset()));
}

function parseImport({ node, session, args }: Invocation): Action | Reply {
  const ranges = parseSlotRanges(argument(args, 2));
  if (!ranges.ok) return error(`ERR ${ranges.error}`);
  const [range = { start: 0, end: 0 }] = ranges.value;
  switch (parseInt64(argument(args, 3))) {
    case 0n:
      return () => replyOf(node.slotImport.start(range, session));
    case 1n:
      return () => finishImport({ node, session }, range);
    case 2n:
      return () => replyOf(node.slotImport.fail(range));
    default:
      return error('ERR Invalid import state');
  }
}

function finishImport({ node, session }: Pick<Invocation, 'node' | 'session'>, range: SlotRange): Reply {
  const outcome = node.slotImport.succeed(range);
  if (!outcome.ok || !node.faults.losesImportReply) return replyOf(outcome);
  node.faults.losesImportReply = false;
  session.destroy();
  return NO_REPLY;
}

function replyOf(outcome: Result<null, string>): Reply {
  return outcome.ok ? OK : error(`ERR ${outcome.error}`);
}
