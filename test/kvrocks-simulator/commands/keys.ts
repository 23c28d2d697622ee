// Commands on keys of any type, and on the whole database.

import { allKeys, argument, firstKey, type Command, type Invocation } from '../command.ts';
import { glob } from '../glob.ts';
import { array, bulk, bulks, error, integer, OK, simple, type Reply } from '../resp.ts';
import { slotOfKey } from '../slots.ts';

function remove(name: string): Command {
  return {
    name,
    arity: -2,
    write: true,
    keys: allKeys,
    run: ({ node, args }) => integer(args.slice(1).filter((key) => node.keyspace.delete(key)).length),
  };
}

/** No key ever expires here, so there is never anything to take back. */
const PERSIST: Command = { name: 'persist', arity: 2, write: true, keys: firstKey, run: () => integer(0) };

const EXISTS: Command = {
  name: 'exists',
  arity: -2,
  keys: allKeys,
  run: ({ node, args }) =>
    integer(args.slice(1).filter((key) => node.keyspace.get(key) !== undefined).length),
};

const TYPE: Command = {
  name: 'type',
  arity: 2,
  keys: firstKey,
  run: ({ node, args }) => simple(node.keyspace.get(argument(args, 1)) === undefined ? 'none' : 'string'),
};

const TTL: Command = {
  name: 'ttl',
  arity: 2,
  keys: firstKey,
  run: ({ node, args }) => integer(node.keyspace.get(argument(args, 1)) === undefined ? -2 : -1),
};

/** No slot check, as on the server (facts section 3.7). */
const KEYS: Command = {
  name: 'keys',
  arity: 2,
  run({ node, args }) {
    const matches = glob(argument(args, 1));
    return bulks(node.keyspace.keysAfter({ slot: 0, key: null }, Infinity).filter(matches));
  },
};

/** Cursors are numbers that stand for the last key given; the server keeps a bounded table of them too. */
const cursors = new Map<string, string>();
const CURSORS_MAX = 16_384;
let lastCursor = 2_600_000_000_000_000_000n;

const SCAN: Command = {
  name: 'scan',
  arity: -2,
  run({ node, args }) {
    const options = parseScan(args);
    if (options === null) return error('ERR syntax error');
    const after = options.cursor === '0' ? undefined : cursors.get(options.cursor);
    if (options.cursor !== '0' && after === undefined) return error('ERR invalid cursor');
    const place = after === undefined ? { slot: 0, key: null } : { slot: slotOfKey(after), key: after };
    const keys = node.keyspace.keysAfter(place, options.count);
    const last = keys.length < options.count ? undefined : keys.at(-1);
    return array([bulk(last === undefined ? '0' : cursorAt(last)), bulks(keys.filter(options.matches))]);
  },
};

function cursorAt(key: string): string {
  lastCursor += 4096n;
  const cursor = String(lastCursor);
  cursors.set(cursor, key);
  const [oldest] = cursors.keys();
  if (cursors.size > CURSORS_MAX && oldest !== undefined) cursors.delete(oldest);
  return cursor;
}

function parseScan(
  args: readonly string[],
): { readonly cursor: string; readonly count: number; readonly matches: (key: string) => boolean } | null {
  let count = 10;
  let matches: (key: string) => boolean = () => true;
  for (let index = 2; index < args.length; index += 2) {
    const value = args[index + 1];
    if (value === undefined) return null;
    const option = argument(args, index).toLowerCase();
    if (option === 'count' && Number.parseInt(value, 10) > 0) count = Number.parseInt(value, 10);
    else if (option === 'match') matches = glob(value);
    else return null;
  }
  return { cursor: argument(args, 1), count, matches };
}

/** DBSIZE gives the result of the last DBSIZE SCAN, 0 before the first (facts section 9). */
const DBSIZE: Command = {
  name: 'dbsize',
  arity: -1,
  run({ node, args }) {
    if (args.length === 1) return integer(node.scannedKeys?.count ?? 0);
    if (args.length !== 2 || argument(args, 1).toLowerCase() !== 'scan') return error('ERR syntax error');
    node.scannedKeys = { count: node.keyspace.keyCount, atMs: Date.now() };
    return OK;
  },
};

/** Also ends a migration (facts section 5.5). */
function flush({ node }: Invocation): Reply {
  node.migration.cancel();
  node.keyspace.flushAll();
  return OK;
}

export const KEY_COMMANDS: readonly Command[] = [
  remove('del'),
  remove('unlink'),
  PERSIST,
  EXISTS,
  TYPE,
  TTL,
  KEYS,
  SCAN,
  DBSIZE,
  { name: 'flushall', arity: 1, write: true, run: flush },
  { name: 'flushdb', arity: 1, write: true, run: flush },
];
