// EVAL for the three scripts that are needed: the simulator has no Lua.

import { argument, type Command } from '../command.ts';
import { bulk, error, integer, NIL } from '../resp.ts';

const RETURN_NUMBER = /^return (\d+)$/;
const GET_FIRST_KEY = /^return redis\.call\(["']get["'],\s*KEYS\[1\]\)$/;
/** Moves the sequence on without a declared key: not slot-checked (facts section 13). */
const BUMP = /^for i=1,(\d+) do redis\.call\(["']set["'],\s*["']([^"']*)["'],\s*i\) end return (\d+)$/;

export const EVAL: Command = {
  name: 'eval',
  arity: -3,
  write: true,
  keys: (args) => args.slice(3, 3 + Math.max(0, Number.parseInt(argument(args, 2), 10) || 0)),
  run({ node, args }) {
    const script = argument(args, 1).trim();
    const number = RETURN_NUMBER.exec(script);
    if (number !== null) return integer(Number(number[1]));
    if (GET_FIRST_KEY.test(script)) {
      const value = node.keyspace.get(argument(args, 3));
      return value === undefined ? NIL : bulk(value);
    }
    const bump = BUMP.exec(script);
    if (bump === null) return error('ERR the simulator does not know this script');
    const [, count = '0', key = '', result = '0'] = bump;
    for (let index = 1; index <= Number(count); index += 1) node.keyspace.set(key, String(index));
    return integer(Number(result));
  },
};
