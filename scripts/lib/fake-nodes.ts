// Many fake Kvrocks nodes in child processes: they take a topology and answer probes about it, and do nothing else.

import { type ChildProcess, fork } from 'node:child_process';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

import RedisParser from 'redis-parser';

const CRLF = '\r\n';
const NODES_PER_PROCESS = 500;

/** The state of one fake node, as SETNODEID and SETNODES leave it. */
class FakeNode {
  id = '';
  version = -1;
  isSlave = false;
  master: readonly [string, string] = ['', ''];
  /** Of its connections, as they call themselves. */
  readonly names = new Map<Socket, string>();

  reply(command: readonly string[], socket: Socket): string {
    const [name = '', sub = '', ...args] = command;
    switch (`${name} ${sub}`.toLowerCase()) {
      case 'clusterx myid':
        return bulk(this.id);
      case 'clusterx version':
        return bulk(String(this.version));
      case 'clusterx setnodeid':
        this.id = args[0] ?? '';
        return '+OK\r\n';
      case 'clusterx setnodes':
        this.#take(args[0] ?? '', Number(args[1]));
        return '+OK\r\n';
      case 'cluster info':
        return this.version < 0
          ? '-CLUSTERDOWN The cluster is not initialized\r\n'
          : bulk(this.#clusterInfo());
      case 'info replication':
        return bulk(this.#replicationInfo());
      case 'client setname':
        this.names.set(socket, args[0] ?? '');
        return '+OK\r\n';
      case 'client list':
        return bulk([...this.names.values()].map((called, index) => `id=${index} name=${called}\n`).join(''));
      case 'config get':
        return this.#setting(args[0] ?? '');
      case 'info server':
        return bulk('# Server\r\nkvrocks_version:2.9.0\r\nredis_mode:cluster\r\nprocess_id:1\r\n');
      default:
        return name.toLowerCase() === 'ping' ? '+PONG\r\n' : `-ERR unknown command \`${name}\`${CRLF}`;
    }
  }

  /** It has but one that matters. */
  #setting(wanted: string): string {
    if (wanted !== 'slaveof') return '*0\r\n';
    return `*2${CRLF}${bulk(wanted)}${bulk(this.isSlave ? this.master.join(' ') : '')}`;
  }

  #take(text: string, version: number): void {
    if (version <= this.version) return;
    this.version = version;
    const lines = text.split('\n').map((line) => line.split(' '));
    const mine = lines.find(([id]) => id === this.id);
    this.isSlave = mine?.[3] === 'slave';
    const master = lines.find(([id]) => id === mine?.[4]);
    this.master = [master?.[1] ?? '', master?.[2] ?? ''];
  }

  #clusterInfo(): string {
    const epoch = `cluster_current_epoch:${this.version}${CRLF}cluster_my_epoch:${this.version}${CRLF}`;
    const slots =
      'cluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n';
    return `cluster_state:ok\r\n${slots}cluster_known_nodes:100\r\ncluster_size:50\r\n${epoch}`;
  }

  #replicationInfo(): string {
    if (!this.isSlave)
      return '# Replication\r\nrole:master\r\nconnected_slaves:1\r\nmaster_repl_offset:0\r\n';
    const [host, port] = this.master;
    return [
      '# Replication',
      'role:slave',
      `master_host:${host}`,
      `master_port:${port}`,
      'master_link_status:up',
      'master_sync_unrecoverable_error:no',
      'master_sync_in_progress:0',
      'master_last_io_seconds_ago:1',
      'slave_repl_offset:0',
      'slave_priority:100',
      'connected_slaves:0',
      'master_repl_offset:0',
      '',
    ].join(CRLF);
  }
}

function bulk(text: string): string {
  return `$${text.length}${CRLF}${text}${CRLF}`;
}

function serveOne(node: FakeNode, socket: Socket): void {
  let replies = '';
  const parser = new RedisParser({
    returnReply: (command: unknown) => {
      replies += node.reply(Array.isArray(command) ? command.map(String) : [], socket);
    },
    returnError: () => socket.destroy(),
    returnFatalError: () => socket.destroy(),
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => node.names.delete(socket));
  socket.on('data', (bytes) => {
    replies = '';
    parser.execute(bytes);
    socket.write(replies);
  });
}

async function serve(nodeCount: number): Promise<void> {
  const ports: number[] = [];
  while (ports.length < nodeCount) {
    const node = new FakeNode();
    const server = createServer({ noDelay: true }, (socket) => serveOne(node, socket));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address: AddressInfo | string | null = server.address();
    if (address !== null && typeof address === 'object') ports.push(address.port);
  }
  process.send?.(ports);
  process.on('disconnect', () => process.exit(0));
}

/** Addresses of `nodeCount` fake nodes, and a function that ends them. */
export async function startFakeNodes(
  nodeCount: number,
): Promise<{ readonly addresses: readonly string[]; readonly stop: () => void }> {
  const addresses: string[] = [];
  const children: ChildProcess[] = [];
  while (addresses.length < nodeCount) {
    const count = Math.min(NODES_PER_PROCESS, nodeCount - addresses.length);
    const child = fork(fileURLToPath(import.meta.url), ['serve', String(count)]);
    children.push(child);
    const ports = await new Promise<readonly unknown[]>((resolve, reject) => {
      child.once('message', (message) => resolve(Array.isArray(message) ? message : []));
      child.once('exit', () => reject(new Error('the fake nodes did not start')));
    });
    addresses.push(...ports.map((port) => `127.0.0.1:${String(port)}`));
  }
  return {
    addresses,
    stop: () => {
      for (const child of children) child.disconnect();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === 'serve')
  await serve(Number(process.argv[3]));
