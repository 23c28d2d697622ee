// Nodes in reserve: which there are, what is known of them, and which shards are going to get one.

import type { Command } from 'commander';

import { usage } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Cell } from '../terminal.ts';
import type { Act } from './act.ts';
import { durationMs } from '../durations.ts';
import { addresses, count } from './places.ts';

export function registerSpares(program: Command, act: Act): void {
  const spares = program.command('spares').description('nodes in reserve');
  spares
    .command('show')
    .description('who they are, whether they can be used, and which shards are short of copies')
    .addHelpText('after', '\nExample: kvctl spares show -n shop -c carts')
    .action(
      act(async (session) => {
        const { data } = await session.client.get(session.path('/spares'));
        await showSpares(session, data);
      }),
    );
  spares
    .command('set')
    .description('what is not named stays as it is')
    .option('--nodes <addresses>', 'a,b,c: all there are from now on; "" for none')
    .option(
      '--copies <count>',
      'nodes that a shard is to have, its master included; none: nobody is replaced',
    )
    .option('--replace-after <duration>', 'how long a node has to be missed: 10m')
    .addHelpText('after', '\nExample: kvctl spares set -n shop -c carts --nodes 10.0.1.9:6666 --copies 2')
    .action(
      act(async (session, _, { nodes, copies, replaceAfter }) => {
        const body = {
          ...(nodes === undefined ? {} : { nodes: addresses(nodes) }),
          ...(copies === undefined ? {} : { copies: copies === 'none' ? null : count(copies, '--copies') }),
          ...(replaceAfter === undefined ? {} : { replace_after_seconds: seconds(replaceAfter) }),
        };
        const { data } = await session.client.send('PUT', session.path('/spares'), body);
        await showSpares(session, data);
      }),
    );
}

function seconds(value: unknown): number {
  const text = typeof value === 'string' ? value : '';
  const ms = durationMs(text);
  if (ms === null) throw usage(`--replace-after ${text}: expected a duration such as 10m`);
  return Math.ceil(ms / 1000);
}

interface SparesBody {
  readonly copies: number | null;
  readonly replace_after_seconds: number;
  readonly nodes: readonly {
    readonly addr: string;
    readonly zone: string;
    readonly login: string;
    readonly state: string;
    readonly reason: string;
  }[];
  readonly shards: readonly {
    readonly shard: number;
    readonly there: number;
    readonly wanted: number;
    readonly until: string | null;
    readonly plan: string;
  }[];
}

async function showSpares(session: Session, data: unknown): Promise<void> {
  const { copies, replace_after_seconds: after, nodes, shards } = (data as { spares: SparesBody }).spares;
  const { terminal } = session;
  await session.output.show({
    data,
    items: nodes,
    names: nodes.map(({ addr }) => addr),
    table: () => {
      terminal.print(
        copies === null
          ? 'nobody is replaced'
          : `a shard that has fewer than ${copies} nodes for ${after} s gets one of these`,
      );
      terminal.table(
        ['ADDRESS', 'STATE', 'ZONE', 'LOGIN', 'REASON'],
        nodes.map(({ addr, state, zone, login, reason }) => [addr, stateCell(state), zone, login, reason]),
      );
      if (shards.length === 0) return;
      terminal.print('');
      terminal.table(
        ['SHARD', 'THERE', 'WANTED', 'UNTIL', 'PLAN'],
        shards.map(({ shard, there, wanted, until, plan }) => [
          String(shard),
          { text: String(there), colour: 'red' },
          String(wanted),
          until ?? '',
          plan,
        ]),
      );
    },
  });
}

function stateCell(state: string): Cell {
  return { text: state, colour: state === 'ready' ? 'green' : 'yellow' };
}
