// Command line and life of one simulated node: flags, conf file, listening, orderly stop.

import { createServer, type Server, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

import { Config } from './config.ts';
import { acceptConnection } from './connection.ts';
import { SimulatedNode } from './node.ts';
import { parseStranger, serveStranger, type Stranger, STRANGERS } from './stranger.ts';

const FLAGS = [
  'port',
  'bind',
  'dir',
  'requirepass',
  'masterauth',
  'master-lease-mode',
  'cluster-enabled',
  'migrate-speed',
  'persist-cluster-nodes-enabled',
] as const;

const PARENT_CHECK_MS = 500;

interface CommandLine {
  readonly config: Config;
  /** What answers instead of a node; null for the node. */
  readonly stranger: Stranger | null;
}

/** Without a conf file the node is in cluster mode: that is what it is for. */
function readCommandLine(): CommandLine {
  const options = Object.fromEntries(FLAGS.map((flag) => [flag, { type: 'string' as const }]));
  const { values } = parseArgs({
    options: {
      ...options,
      config: { type: 'string', short: 'c' },
      as: { type: 'string' },
      'with-parent': { type: 'boolean', default: false },
    },
  });
  const { config: file, as, 'with-parent': withParent, ...flags } = values;
  if (withParent) endWithParent();
  const overrides = new Map<string, string>(file === undefined ? [['cluster-enabled', 'yes']] : []);
  for (const [flag, value] of Object.entries(flags)) {
    if (typeof value === 'string') overrides.set(flag, value);
  }
  const stranger = as === undefined ? null : parseStranger(as);
  if (as !== undefined && stranger === null) throw new Error(`--as takes one of ${STRANGERS.join(', ')}`);
  return { config: new Config(file ?? null, overrides), stranger };
}

/** Ends soon after the process that started this one, however that ended. */
function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, PARENT_CHECK_MS).unref();
}

/** Listens at every address of `bind`. */
async function listen(config: Config, serve: (socket: Socket) => void): Promise<readonly Server[]> {
  return Promise.all(config.binds().map(async (host) => listenAt(host, config.count('port'), serve)));
}

async function listenAt(host: string, port: number, serve: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ noDelay: true }, serve);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

/** Starts the node, or prints the server's line about why not and exits with 1. */
export async function start(): Promise<void> {
  try {
    await run();
  } catch (cause) {
    console.log(`Failed to start server: ${cause instanceof Error ? cause.message : String(cause)}`);
    process.exit(1);
  }
}

async function run(): Promise<void> {
  const { config, stranger } = readCommandLine();
  if (stranger !== null) {
    await listen(config, (socket) => serveStranger(stranger, socket));
    return;
  }
  if (config.flag('use-rsid-psync')) throw new Error('use-rsid-psync is not simulated');
  const node = new SimulatedNode(config);
  const loaded = await node.load();
  if (!loaded.ok) throw new Error(loaded.error);
  const servers = await listen(config, (socket) => acceptConnection(node, socket));
  node.log('[server] Ready to accept connections');
  const stop = (): void => {
    for (const server of servers) server.close();
    void node.stop().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}
