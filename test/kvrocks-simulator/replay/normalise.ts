// What of a reply is not decided by the commands before it: clocks, process ids, sizes, random order.

/** Fields of INFO whose values depend on the machine or the moment. */
const VOLATILE_FIELDS = [
  'os',
  'process_id',
  'uptime_in_seconds',
  'used_memory_\\w+',
  'last_bgsave_time',
  'total_\\w+',
  'instantaneous_\\w+',
  'master_last_io_seconds_ago',
  'used_disk_size',
  'used_disk_percent',
  'disk_capacity',
];
const VOLATILE = new RegExp(`^(${VOLATILE_FIELDS.join('|')}):.*$`, 'gm');

/** Brings two replies to one `command` to the same text if they differ only in what is not deterministic. */
export function normalise(reply: string, command: readonly string[]): string {
  const name = (command[0] ?? '').toLowerCase();
  const subcommand = (command[1] ?? '').toLowerCase();
  if (reply.startsWith('-')) return reply;
  switch (name) {
    case 'cluster':
      return subcommand === 'nodes' || subcommand === 'replicas' ? normaliseNodes(reply) : reply;
    case 'info':
      return normaliseInfo(reply);
    case 'client':
      return subcommand === 'list' || subcommand === 'info'
        ? normaliseClients(reply)
        : reply.replace(/^:\d+/, ':N');
    case 'scan':
      return reply.replace(/\$19\r\n\d{19}\r\n/, '$19\r\n<cursor>\r\n');
    case 'time':
    case 'lastsave':
      return reply.replaceAll(/\d+/g, 'N');
    default:
      return reply;
  }
}

/** Lines come in random order with made-up times. */
function normaliseNodes(reply: string): string {
  const [head = '', ...lines] = reply.replaceAll(/ \d{13} \d{13} /g, ' T T ').split('\n');
  return [head, ...lines.sort()].join('\n');
}

/** Drops the length, which follows from the values. */
function normaliseInfo(reply: string): string {
  return reply
    .replace(/^[$=]\d+\r\n/, '')
    .replaceAll(VOLATILE, '$1:V')
    .replaceAll(/^cmdstat_.*\r\n/gm, '')
    .replace(/# RocksDB\r\n[^]*/, (section) => section.replaceAll(/^([^:\r\n]+):\S+/gm, '$1:V'))
    .replace(/SCAN time: .*/, 'SCAN time: T');
}

function normaliseClients(reply: string): string {
  return reply
    .replace(/^[$=]\d+\r\n/, '')
    .replaceAll(/\bid=\d+ addr=\S+ fd=\d+/g, 'id=N addr=A fd=N')
    .replaceAll(/\bage=\d+ idle=\d+/g, 'age=N idle=N');
}

/** For readings whose sequence numbers depend on timing or on how much data was loaded. */
export function withoutSequences(reply: string): string {
  return reply
    .replace(/^[$=]\d+\r\n/, '')
    .replaceAll(/\b(offset|lag)=\d+/g, '$1=N')
    .replaceAll(/^(slave_repl_offset|master_repl_offset|sequence):\d+/gm, '$1:N')
    .replace(/\$\d+\r\n\d+\r\n$/, '<sequence>');
}
