// Commands on string values, the only type that the simulator has.

import { allKeys, argument, firstKey, type Command } from '../command.ts';
import { array, bulk, error, integer, NIL, OK, type Reply } from '../resp.ts';
import { parseInt64 } from '../slots.ts';

function bulkOrNil(value: string | undefined): Reply {
  return value === undefined ? NIL : bulk(value);
}

function everySecond(args: readonly string[]): readonly string[] {
  return args.filter((_, index) => index % 2 === 1);
}

const GET: Command = {
  name: 'get',
  arity: 2,
  keys: firstKey,
  run: ({ node, args }) => bulkOrNil(node.keyspace.get(argument(args, 1))),
};

/** Values do not expire here: EX and PX are refused rather than ignored. */
const SET: Command = {
  name: 'set',
  arity: -3,
  write: true,
  keys: firstKey,
  run({ node, args }) {
    const key = argument(args, 1);
    const options = args.slice(3).map((option) => option.toLowerCase());
    if (options.some((option) => option !== 'nx' && option !== 'xx')) return error('ERR syntax error');
    const present = node.keyspace.get(key) !== undefined;
    if ((options.includes('nx') && present) || (options.includes('xx') && !present)) return NIL;
    node.keyspace.set(key, argument(args, 2));
    return OK;
  },
};

/** Sets the key and answers what it held before. */
const GETSET: Command = {
  name: 'getset',
  arity: 3,
  write: true,
  keys: firstKey,
  run({ node, args }) {
    const key = argument(args, 1);
    const before = node.keyspace.get(key);
    node.keyspace.set(key, argument(args, 2));
    return bulkOrNil(before);
  },
};

const MGET: Command = {
  name: 'mget',
  arity: -2,
  keys: allKeys,
  run: ({ node, args }) => array(args.slice(1).map((key) => bulkOrNil(node.keyspace.get(key)))),
};

const MSET: Command = {
  name: 'mset',
  arity: -3,
  write: true,
  keys: everySecond,
  run({ node, args }) {
    if (args.length % 2 === 0) return error('ERR wrong number of arguments');
    for (let index = 1; index < args.length; index += 2) {
      node.keyspace.set(argument(args, index), argument(args, index + 1));
    }
    return OK;
  },
};

function increment(
  name: string,
  arity: number,
  amountOf: (args: readonly string[]) => bigint | null,
): Command {
  return {
    name,
    arity,
    write: true,
    keys: firstKey,
    run({ node, args }) {
      const key = argument(args, 1);
      const current = parseInt64(node.keyspace.get(key) ?? '0');
      const amount = amountOf(args);
      if (current === null || amount === null) return error('ERR value is not an integer or out of range');
      const value = current + amount;
      node.keyspace.set(key, String(value));
      return integer(Number(value));
    },
  };
}

const STRLEN: Command = {
  name: 'strlen',
  arity: 2,
  keys: firstKey,
  run: ({ node, args }) => integer(node.keyspace.get(argument(args, 1))?.length ?? 0),
};

const APPEND: Command = {
  name: 'append',
  arity: 3,
  write: true,
  keys: firstKey,
  run({ node, args }) {
    const key = argument(args, 1);
    const value = (node.keyspace.get(key) ?? '') + argument(args, 2);
    node.keyspace.set(key, value);
    return integer(value.length);
  },
};

/** A raw migration's write: not slot-checked, so that a push at the target does not stop it (facts section 5.4). */
const APPLY: Command = {
  name: '_apply',
  arity: -3,
  write: true,
  run({ node, args }) {
    const key = argument(args, 2);
    if (argument(args, 1) === 'SET') node.keyspace.set(key, argument(args, 3));
    else node.keyspace.delete(key);
    return OK;
  },
};

export const STRING_COMMANDS: readonly Command[] = [
  APPLY,
  GET,
  SET,
  GETSET,
  MGET,
  MSET,
  STRLEN,
  APPEND,
  increment('incr', 2, () => 1n),
  increment('decr', 2, () => -1n),
  increment('incrby', 3, (args) => parseInt64(argument(args, 2))),
];
