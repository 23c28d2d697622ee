// CONFIG GET | SET | REWRITE (facts section 9).

import { argument, type Command, type Invocation } from '../command.ts';
import { glob } from '../glob.ts';
import { error, OK, pairs, type Reply } from '../resp.ts';

export const CONFIG: Command = {
  name: 'config',
  arity: -2,
  run(invocation) {
    const { args } = invocation;
    switch (`${argument(args, 1).toLowerCase()} ${args.length}`) {
      case 'get 3':
        return get(invocation);
      case 'set 4':
        return set(invocation);
      case 'rewrite 2':
        return rewrite(invocation);
      default:
        return error('ERR CONFIG subcommand must be one of GET, SET, REWRITE');
    }
  },
};

function get({ node, args }: Invocation): Reply {
  const matches = glob(argument(args, 2).toLowerCase());
  const settings = [...node.config.matching(matches)];
  if (matches('slaveof')) settings.push(['slaveof', slaveOf(node.link?.master)]);
  return pairs(settings.sort(([left], [right]) => (left < right ? -1 : 1)));
}

function set({ node, args }: Invocation): Reply {
  const name = argument(args, 2).toLowerCase();
  const changed = node.config.set(name, argument(args, 3));
  if (!changed.ok) return error(`ERR ${changed.error}`);
  if (name === 'persist-cluster-nodes-enabled' && node.clusterEnabled) {
    const saved = node.saveNodes();
    if (!saved.ok) return error(`ERR ${saved.error}`);
  }
  return OK;
}

function rewrite({ node }: Invocation): Reply {
  const master = node.link?.master;
  const written = node.config.rewrite(master === undefined ? null : slaveOf(master));
  return written.ok ? OK : error(`ERR ${written.error}`);
}

function slaveOf(master: { readonly host: string; readonly port: number } | undefined): string {
  return master === undefined ? '' : `${master.host} ${master.port}`;
}
