// CLUSTERX VERSION | MYID | SETNODEID | SETNODES | SETSLOT | MIGRATE (facts sections 0, 2, 5.1 and 6); HEARTBEAT where leases are on.

import type { Result } from '../../../src/base/result.ts';
import { argument, type Command, type Invocation } from '../command.ts';
import type { SimulatedNode } from '../node.ts';
import { bulk, error, NIL, OK, type Reply } from '../resp.ts';
import { parseInt64, parseSlotRanges, type SlotRange } from '../slots.ts';
import { INFO } from './info.ts';

const USAGE = error('ERR CLUSTERX command, CLUSTERX VERSION|MYID|SETNODEID|SETNODES|SETSLOT|MIGRATE');
const WRONG_ARGUMENTS = error('ERR wrong number of arguments');
const NOT_ENABLED = error('ERR Cluster mode is not enabled');

/** Runs when parsing succeeded and cluster mode is on. */
type Action = () => Reply | Promise<Reply>;

export const CLUSTERX: Command = {
  name: 'clusterx',
  arity: -2,
  run(invocation) {
    const parsed = parse(invocation);
    if (typeof parsed !== 'function') return parsed;
    return invocation.node.clusterEnabled ? parsed() : NOT_ENABLED;
  },
};

function parse(invocation: Invocation): Action | Reply {
  const { node, args } = invocation;
  switch (argument(args, 1).toLowerCase()) {
    case 'version':
      return args.length === 2 ? () => bulk(String(node.topology.version)) : USAGE;
    case 'myid':
      return args.length === 2 ? () => bulk(node.topology.myId) : USAGE;
    case 'setnodeid':
      return parseSetNodeId(invocation);
    case 'setnodes':
      return parseSetNodes(invocation);
    case 'setslot':
      return parseSetSlot(invocation);
    case 'migrate':
      return parseMigrate(invocation);
    case 'heartbeat':
      return node.config.leaseMode === null ? USAGE : parseHeartbeat(invocation);
    default:
      return USAGE;
  }
}

function parseSetNodeId({ node, args }: Invocation): Action | Reply {
  const id = argument(args, 2);
  if (args.length !== 3 || id.length !== 40) return USAGE;
  return () => exclusively(node, async () => node.setNodeId(id));
}

function parseSetNodes({ node, args }: Invocation): Action | Reply {
  if (args.length < 4) return USAGE;
  const version = parseInt64(argument(args, 3));
  if (version === null) return error('ERR Invalid version');
  const force = argument(args, 4).toLowerCase() === 'force';
  if (args.length > 5 || (args.length === 5 && !force)) return error('ERR Invalid setnodes options');
  return () => exclusively(node, async () => node.setNodes(argument(args, 2), version, force));
}

function parseSetSlot({ node, args }: Invocation): Action | Reply {
  if (args.length !== 6) return USAGE;
  const ranges = parseSlotRanges(argument(args, 2));
  if (!ranges.ok) return error(`ERR ${ranges.error}`);
  if (argument(args, 3).toLowerCase() !== 'node') return error('ERR Invalid setslot options');
  const id = argument(args, 4);
  if (id.length !== 40) return error('ERR Invalid node id');
  const version = parseInt64(argument(args, 5));
  if (version === null) return error('ERR value is not an integer or out of range');
  if (version < 0n) return error('ERR Invalid version');
  return () => replyOf(node.setSlots(ranges.value, id, version));
}

function parseMigrate({ node, args }: Invocation): Action | Reply {
  if (args.length < 4 || args.length > 6) return WRONG_ARGUMENTS;
  const ranges = parseSlotRanges(argument(args, 2));
  if (!ranges.ok) return error(`ERR ${ranges.error}`);
  const flag = argument(args, 4).toLowerCase();
  if (args.length > 4 && flag !== 'sync' && flag !== 'async') return error('ERR Invalid sync flag');
  if (args.length === 6 && flag === 'async') return error('ERR Async migration does not support timeout');
  const timeout = args.length === 6 ? parseInt64(argument(args, 5)) : 0n;
  if (timeout === null) return error('ERR timeout is not an integer or out of range');
  if (timeout < 0n) return error('ERR timeout is negative');
  // Only the first range is used, without complaint (facts section 5.1).
  const [range = { start: 0, end: 0 }] = ranges.value;
  const destination = argument(args, 3);
  return () =>
    migrate(node, { range, destination, sync: flag === 'sync', timeoutMs: Number(timeout) * 1000 });
}

/** HEARTBEAT <master id> <lease ms> <election version>, as proposed: answered like INFO, be it for this node or for another. */
function parseHeartbeat({ node, session, args }: Invocation): Action | Reply {
  if (args.length !== 5) return USAGE;
  const leaseMs = parseInt64(argument(args, 3));
  if (leaseMs === null || leaseMs <= 0n) return error('ERR invalid lease_ms');
  const version = parseInt64(argument(args, 4));
  if (version === null) return error('ERR value is not an integer or out of range');
  return () => {
    const isOwn = argument(args, 2) === node.topology.myId && !node.isReplica;
    if (isOwn && node.lease.beat(Number(leaseMs), version, node.topology.version) !== 'renewed')
      return error('ERR election version mismatch');
    return INFO.run({ node, session, args: ['info'] });
  };
}

function migrate(
  node: SimulatedNode,
  job: {
    readonly range: SlotRange;
    readonly destination: string;
    readonly sync: boolean;
    /** 0 waits for ever. */
    readonly timeoutMs: number;
  },
): Reply | Promise<Reply> {
  if (node.topology.nodes.get(job.destination) === null) node.crash('MIGRATE to an unknown node');
  const begun = node.migration.begin(job.range, job.destination);
  if (!begun.ok) return error(`ERR ${begun.error}`);
  if (!job.sync) return OK;
  const outcome = begun.value.then(replyOf);
  return job.timeoutMs === 0 ? outcome : Promise.race([outcome, nilAfter(job.timeoutMs)]);
}

/** The migration goes on when SYNC gives up waiting for it. */
async function nilAfter(milliseconds: number): Promise<Reply> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(NIL), milliseconds);
  });
}

async function exclusively(node: SimulatedNode, work: () => Promise<Result<null, string>>): Promise<Reply> {
  return replyOf(await node.gate.run(work));
}

function replyOf(outcome: Result<null, string>): Reply {
  return outcome.ok ? OK : error(`ERR ${outcome.error}`);
}
