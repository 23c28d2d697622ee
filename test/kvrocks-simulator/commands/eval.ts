// EVAL for the three scripts that are needed: the simulator has no Lua.

import { createHash } from 'node:crypto';

import { argument, type Command } from '../command.ts';
import type { SimulatedNode } from '../node.ts';
import { bulk, error, integer, NIL } from '../resp.ts';
import { slotOfKey } from '../slots.ts';

const RETURN_NUMBER = /^return (\d+)$/;
const GET_FIRST_KEY = /^return redis\.call\(["']get["'],\s*KEYS\[1\]\)$/;
/** Moves the sequence on without a declared key, also in a slot of another master (facts section 13). */
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
    const refused = refusalInScript(node, key);
    if (refused !== null) return error(`ERR running script (call to f_${sha1(script)}): ${refused}`);
    for (let index = 1; index <= Number(count); index += 1) node.keyspace.set(key, String(index));
    return integer(Number(result));
  },
};

function sha1(text: string): string {
  return createHash('sha1').update(text, 'latin1').digest('hex');
}

/**
 * What a write to an undeclared key fails with inside a script (source): the slot must have some owner, so that nothing is written
 * on a node without a topology; one that this node gave away, or is about to, is refused too.
 */
function refusalInScript(node: SimulatedNode, key: string): string | null {
  if (!node.clusterEnabled) return null;
  const slot = slotOfKey(key);
  const { topology } = node;
  const owner = topology.owners[slot] ?? null;
  if (owner === null) return 'CLUSTERDOWN Hash slot not served';
  if (owner !== topology.myself) return null;
  if (topology.migrated.has(slot))
    return 'Script attempted to access a non local key in a cluster node script';
  return node.migration.isWriteForbidden(slot)
    ? "TRYAGAIN Can't write to slot being migrated which is in write forbidden phase"
    : null;
}
