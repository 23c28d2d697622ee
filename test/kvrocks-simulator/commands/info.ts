// INFO (facts sections 3.3 and 9).

import { argument, type Command } from '../command.ts';
import type { SimulatedNode } from '../node.ts';
import { error, verbatim } from '../resp.ts';
import { rocksdbLines } from './info-rocksdb.ts';

type Section = (node: SimulatedNode) => readonly string[];

/** In the server's order. */
const SECTIONS: readonly (readonly [string, Section])[] = [
  ['Server', server],
  ['Clients', clients],
  ['Memory', memory],
  ['Persistence', persistence],
  ['Stats', stats],
  ['Replication', replication],
  ['CPU', () => ['used_cpu_sys:0', 'used_cpu_user:0']],
  ['Commandstats', commandStats],
  ['Cluster', (node) => [`cluster_enabled:${node.clusterEnabled ? 1 : 0}`]],
  ['Keyspace', keyspace],
  ['RocksDB', rocksdbLines],
];

/** While a full sync is restored there is no database to ask: left out. After it failed they are not, and end the process. */
const NEED_DATA: ReadonlySet<string> = new Set(['Replication', 'Keyspace', 'RocksDB']);

export const INFO: Command = {
  name: 'info',
  arity: -1,
  whileLoading: true,
  run({ node, args }) {
    if (args.length > 2) return error('ERR syntax error');
    const wanted = args.length === 1 ? 'all' : argument(args, 1).toLowerCase();
    const sections = SECTIONS.filter(([name]) => wanted === 'all' || wanted === name.toLowerCase()).filter(
      ([name]) => !(node.isLoading && NEED_DATA.has(name)),
    );
    if (sections.some(([name]) => NEED_DATA.has(name))) node.needDatabase('INFO');
    const texts = sections.map(([name, section]) =>
      [`# ${name}`, ...section(node)].map((line) => `${line}\r\n`).join(''),
    );
    return verbatim(texts.join('\r\n'));
  },
};

function uptimeSeconds(node: SimulatedNode): number {
  return Math.floor((performance.now() - node.startedAtMs) / 1000);
}

function server(node: SimulatedNode): readonly string[] {
  const mode = node.clusterEnabled ? 'cluster' : 'standalone';
  return [
    'version:unstable',
    'kvrocks_version:unstable',
    'redis_version:4.0.0',
    'git_sha1:5fccd57c',
    'kvrocks_git_sha1:5fccd57c',
    `redis_mode:${mode}`,
    `kvrocks_mode:${mode}`,
    'os:simulator',
    'gcc_version:12.2.0',
    'arch_bits:64',
    `process_id:${process.pid}`,
    `tcp_port:${node.config.text('port')}`,
    `uptime_in_seconds:${uptimeSeconds(node)}`,
    `uptime_in_days:${Math.floor(uptimeSeconds(node) / 86_400)}`,
  ];
}

function clients(node: SimulatedNode): readonly string[] {
  return [
    `maxclients:${node.config.text('maxclients')}`,
    `connected_clients:${node.clientCount}`,
    'monitor_clients:0',
    'blocked_clients:0',
  ];
}

function memory(): readonly string[] {
  const resident = process.memoryUsage.rss();
  return [
    `used_memory_rss:${resident}`,
    `used_memory_rss_human:${(resident / 1024 / 1024).toFixed(2)}M`,
    'used_memory_lua:36864',
    'used_memory_lua_human:36.00K',
    `used_memory_startup:${resident}`,
  ];
}

function persistence(node: SimulatedNode): readonly string[] {
  return [
    `loading:${node.isLoading ? 1 : 0}`,
    'bgsave_in_progress:0',
    `last_bgsave_time:${node.startedAtSeconds}`,
    'last_bgsave_status:ok',
    'last_bgsave_time_sec:-1',
  ];
}

function stats(node: SimulatedNode): readonly string[] {
  const commands = [...node.commandCounts.values()].reduce((sum, { calls }) => sum + calls, 0);
  return [
    `total_connections_received:${node.connectionsReceived}`,
    `total_commands_processed:${commands}`,
    'instantaneous_ops_per_sec:0',
    'total_net_input_bytes:0',
    'total_net_output_bytes:0',
    'instantaneous_input_kbps:0',
    'instantaneous_output_kbps:0',
    `sync_full:${node.feeds.fullSyncs}`,
    `sync_partial_ok:${node.feeds.partialSyncs}`,
    `sync_partial_err:${node.feeds.partialSyncsRefused}`,
    'keyspace_hits:0',
    'keyspace_misses:0',
    'pubsub_channels:0',
    'pubsub_patterns:0',
  ];
}

/** `lag` is a difference of sequence numbers and `offset` what was sent, not applied (facts section 3.3). */
function replication(node: SimulatedNode): readonly string[] {
  const { sequence } = node.keyspace;
  const { link } = node;
  const lines: string[] = [`role:${link === null ? 'master' : 'slave'}`];
  if (link !== null) {
    lines.push(
      `master_host:${link.master.host}`,
      `master_port:${link.master.port}`,
      `master_link_status:${link.state === 'connected' ? 'up' : 'down'}`,
      'master_sync_unrecoverable_error:no',
      `master_sync_in_progress:${link.fetching ? 1 : 0}`,
      `master_last_io_seconds_ago:${link.lastIoSecondsAgo}`,
      `slave_repl_offset:${sequence}`,
      `slave_priority:${node.config.text('slave-priority')}`,
    );
  }
  lines.push(`connected_slaves:${node.feeds.count}`);
  for (const [index, { ip, port, offset }] of node.feeds.statuses().entries()) {
    lines.push(`slave${index}:ip=${ip},port=${port},offset=${offset},lag=${sequence - offset}`);
  }
  lines.push(`master_repl_offset:${sequence}`);
  return lines;
}

function commandStats(node: SimulatedNode): readonly string[] {
  return [...node.commandCounts]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, { calls, microseconds }]) => {
      const total = Math.floor(microseconds);
      return `cmdstat_${name}:calls=${calls},usec=${total},usec_per_call=${Math.floor(total / calls)}`;
    });
}

function keyspace(node: SimulatedNode): readonly string[] {
  const scanned = node.scannedKeys;
  return [
    scanned === null
      ? '# WARN: DBSIZE SCAN never performed yet'
      : `# Last DBSIZE SCAN time: ${calendarTime(scanned.atMs)}`,
    `db0:keys=${scanned?.count ?? 0},expires=0,avg_ttl=0,expired=0`,
    `sequence:${node.keyspace.sequence}`,
    'used_db_size:0',
    'max_db_size:0',
    'used_percent: 0%',
    'disk_capacity:270553174016',
    ...(node.faults.disk.isStuck
      ? ['used_disk_size:270553174016', 'used_disk_percent: 100%']
      : ['used_disk_size:191034527744', 'used_disk_percent: 70.6089%']),
  ];
}

/** `Mon Nov 23 07:11:51 2026`, as the C library prints it. */
function calendarTime(atMs: number): string {
  const [weekday, day, month, year, time] = new Date(atMs).toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${day} ${time} ${year}`;
}
