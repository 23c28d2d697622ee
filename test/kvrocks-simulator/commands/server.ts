// Commands that concern the connection or the process.

import { setTimeout as delay } from 'node:timers/promises';

import { argument, type Command } from '../command.ts';
import { array, bulk, bulks, error, integer, OK, pairs, simple, type Reply } from '../resp.ts';

const PING: Command = {
  name: 'ping',
  arity: -1,
  run: ({ args }) => (args.length === 1 ? simple('PONG') : bulk(argument(args, 1))),
};

const TIME: Command = {
  name: 'time',
  arity: 1,
  whileLoading: true,
  run() {
    const now = Date.now();
    return bulks([String(Math.floor(now / 1000)), String((now % 1000) * 1000)]);
  },
};

/** DEBUG SLEEP seconds: only this connection waits. */
const DEBUG: Command = {
  name: 'debug',
  arity: -2,
  run({ args }) {
    const seconds = Number(argument(args, 2));
    if (argument(args, 1).toLowerCase() !== 'sleep' || args.length !== 3 || Number.isNaN(seconds)) {
      return error('ERR Unknown subcommand, should be one of SLEEP');
    }
    return okAfter(seconds * 1000);
  },
};

async function okAfter(milliseconds: number): Promise<Reply> {
  await delay(milliseconds);
  return OK;
}

/** The server has one namespace for all, unless it is told otherwise. */
const NAMESPACE: Command = {
  name: 'namespace',
  arity: -3,
  run({ node, args }) {
    const all = argument(args, 1).toLowerCase() === 'get' && argument(args, 2) === '*';
    return all
      ? bulks(['__namespace', node.config.text('requirepass')])
      : error('ERR NAMESPACE is not simulated');
  },
};

export const SERVER_COMMANDS: readonly Command[] = [
  PING,
  TIME,
  DEBUG,
  NAMESPACE,
  { name: 'echo', arity: 2, run: ({ args }) => bulk(argument(args, 1)) },
  { name: 'select', arity: 2, run: () => OK },
  { name: 'publish', arity: 3, run: () => integer(0) },
  { name: 'lastsave', arity: 1, run: ({ node }) => integer(node.startedAtSeconds) },
  {
    name: 'readonly',
    arity: 1,
    run({ session }) {
      session.readOnly = true;
      return OK;
    },
  },
  {
    name: 'readwrite',
    arity: 1,
    run({ session }) {
      session.readOnly = false;
      return OK;
    },
  },
  {
    name: 'asking',
    arity: 1,
    run({ session }) {
      session.asking = true;
      return OK;
    },
  },
];

/** COMMAND COUNT | INFO | GETKEYS over the table that `find` looks into. */
export function createCommandCommand(find: (name: string) => Command | undefined): Command {
  return {
    name: 'command',
    arity: -1,
    run({ args }) {
      const [, subcommand = '', ...rest] = args;
      const [name = ''] = rest;
      switch (subcommand.toLowerCase()) {
        case '':
          return array([]);
        case 'docs':
          return pairs([]);
        case 'count':
          return integer(290);
        case 'info':
          return array(rest.map((each) => describe(find(each.toLowerCase()))));
        case 'getkeys': {
          const keys = find(name.toLowerCase())?.keys?.(rest) ?? [];
          return keys.length === 0 ? error('ERR the command has no key arguments') : bulks(keys);
        }
        default:
          return error('ERR Command subcommand must be one of COUNT, GETKEYS, INFO');
      }
    },
  };
}

function describe(command: Command | undefined): Reply {
  if (command === undefined) return { kind: 'nil' };
  const keyed = command.keys === undefined ? 0 : 1;
  return array([
    bulk(command.name),
    integer(command.arity),
    bulks([command.write === true ? 'write' : 'readonly']),
    integer(keyed),
    integer(keyed),
    integer(keyed),
  ]);
}
