// What replicas ask of their master, and what clients ask about replication.

import { argument, type Command, type Invocation } from '../command.ts';
import { array, bulk, bulks, error, NO_REPLY, OK, type Reply } from '../resp.ts';
import { parseInt64 } from '../slots.ts';

/** During the restore of a full sync the server reads a null pointer here (facts section 3.4). */
const ROLE: Command = {
  name: 'role',
  arity: 1,
  whileLoading: true,
  run({ node }) {
    if (node.isRestoring) node.crash('ROLE during the restore of a full sync');
    node.needDatabase('ROLE');
    const sequence = String(node.keyspace.sequence);
    const { link } = node;
    if (link !== null) {
      return bulks(['slave', link.master.host, String(link.master.port), link.state, sequence]);
    }
    const replicas = node.feeds
      .statuses()
      .map(({ ip, port, offset }) => bulks([ip, String(port), String(offset)]));
    const list = node.feeds.count === 0 ? [] : [array(replicas)];
    return array([bulk('master'), bulk(sequence), ...list]);
  },
};

/** In cluster mode the topology alone decides. */
const SLAVEOF: Command = {
  name: 'slaveof',
  arity: 3,
  run({ node, args }) {
    if (node.clusterEnabled) return error("ERR can't change to slave in cluster mode");
    const host = argument(args, 1);
    const port = parseInt64(argument(args, 2));
    if (host.toLowerCase() === 'no' && argument(args, 2).toLowerCase() === 'one') {
      return follow(async () => node.gate.run(async () => node.follow(null)));
    }
    if (port === null || port < 1n || port > 65_535n)
      return error('ERR port number should be between 1 and 65535');
    return follow(async () => node.gate.run(async () => node.follow({ host, port: Number(port) })));
  },
};

async function follow(change: () => Promise<void>): Promise<Reply> {
  await change();
  return OK;
}

const REPLCONF: Command = {
  name: 'replconf',
  arity: -3,
  run({ session, args }) {
    for (let index = 1; index < args.length; index += 2) {
      if (argument(args, index).toLowerCase() === 'listening-port') {
        session.listeningPort = Number.parseInt(argument(args, index + 1), 10);
      }
    }
    return OK;
  },
};

const PSYNC: Command = {
  name: 'psync',
  arity: 2,
  run({ node, session, args }) {
    const next = parseInt64(argument(args, 1));
    return next === null || next < 1n
      ? error('ERR value is not an integer or out of range')
      : node.feeds.start(session, Number(next));
  },
};

/** The first question of a replica: not answered while packets are dropped. */
async function databaseName({ node }: Invocation): Promise<Reply> {
  await node.faults.network.passed();
  return bulk('change.me.db');
}

/** The simulator's full sync: everything in one bulk string, where the server sends its files. */
async function fetchSnapshot({ node, session }: Invocation): Promise<Reply> {
  await node.faults.network.passed();
  node.feeds.fullSyncs += 1;
  const text = node.keyspace.snapshot().join('\n');
  session.send(`$${text.length}\r\n${text}\r\n`);
  return NO_REPLY;
}

export const REPLICATION_COMMANDS: readonly Command[] = [
  ROLE,
  SLAVEOF,
  REPLCONF,
  PSYNC,
  { name: '_db_name', arity: 1, run: databaseName },
  { name: '_fetch_snapshot', arity: 1, run: fetchSnapshot },
];
