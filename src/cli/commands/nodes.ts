// Nodes that somebody works on, that stand elsewhere, whose copies are made anew, that are told again what they are.

import type { Command } from 'commander';

import { printable } from '../../base/printable.ts';
import { usage } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Cell } from '../terminal.ts';
import type { Act } from './act.ts';
import { untilTime } from '../durations.ts';
import { passwordOf, withPasswordFlags } from './password.ts';
import { addresses, count, nodeNamed, type NodePlace } from './places.ts';

type Flags = Readonly<Record<string, unknown>>;

export function registerNodes(program: Command, act: Act): void {
  const node = program.command('node').description('work on a node, or change what is known of it');
  node
    .command('offline <node>')
    .description(
      'maintenance: a master hands over first, and nobody misses the node until it is online again',
    )
    .option('--until <time>', 'when it ends by itself: 2026-01-31T12:00:00Z, or how long: 2h', untilTime)
    .option('--reason <text>', 'why, for everybody who looks')
    .option('--force', 'also a master that nobody takes over from: it is not replaced while it is away')
    .addHelpText(
      'after',
      '\nExample: kvctl node offline 10.0.1.1:6666 -n shop -c carts --until 2h --reason "new disk"',
    )
    .action(act((session, [name = ''], flags) => takeOffline(session, name, flags)));
  node
    .command('online <node>')
    .description('the maintenance of a node is over')
    .addHelpText('after', '\nExample: kvctl node online 10.0.1.1:6666 -n shop -c carts')
    .action(
      act(async (session, [name = '']) => {
        const place = await nodeNamed(session, name);
        const { data } = await session.client.send('DELETE', pathOf(session, place, '/maintenance'));
        await session.output.done(printable(`${place.addr} is in service`), data, [place.id]);
      }),
    );
  node
    .command('move <node>')
    .description('the same node answers at another address now')
    .requiredOption('--to <address>', 'host:port')
    .addHelpText('after', '\nExample: kvctl node move 10.0.1.1:6666 --to 10.0.9.1:6666 -n shop -c carts')
    .action(
      act(async (session, [name = ''], flags) => {
        const place = await nodeNamed(session, name);
        const [addr = '', ...others] = addresses(flags['to']);
        if (others.length > 0 || addr === '') throw usage('--to: expected one address, host:port');
        const { data } = await session.client.send('PATCH', pathOf(session, place), { addr });
        await session.output.done(printable(`${place.addr} is at ${addr} now`), data, [place.id]);
      }),
    );
  node
    .command('set <node>')
    .description('who is preferred as a master, and where it stands')
    .option('--priority <number>', 'the higher, the sooner it takes over; 0: never by itself')
    .option('--zone <name>', 'where it stands')
    .addHelpText(
      'after',
      '\nExample: kvctl node set 10.0.1.1:6666 -n shop -c carts --priority 200 --zone rack-1',
    )
    .action(act((session, [name = ''], flags) => setNode(session, name, flags)));
  registerCopies(program, act);
  registerPasswords(program, act);
}

function registerCopies(program: Command, act: Act): void {
  program
    .command('resync <node>')
    .description('make the copy of a replica anew: of one that was kept aside, whose own writes go with that')
    .option('--force', 'also a copy that is proven; it cannot take over meanwhile')
    .addHelpText('after', '\nExample: kvctl resync 10.0.2.1:6666 -n shop -c carts')
    .action(
      act(async (session, [name = ''], { force = false }) => {
        const place = await nodeNamed(session, name);
        const { addr, id } = place;
        await session.terminal.confirm(
          `what ${addr} holds is thrown away and made anew from its master`,
          addr,
        );
        const { data } = await session.client.send('POST', pathOf(session, place, '/resync'), { force });
        await session.output.done(printable(`the copy of ${addr} is made anew`), data, [id]);
      }),
    );
  program
    .command('sync [node]')
    .description(
      'tell all nodes, or one, the topology again; confirms that this group alone manages the cluster',
    )
    .addHelpText('after', '\nExample: kvctl sync -n shop -c carts')
    .action(
      act(async (session, [name]) => {
        const body = name === undefined ? {} : { node: (await nodeNamed(session, name)).id };
        const { data } = await session.client.send('POST', session.path('/sync'), body);
        await showSync(session, data);
      }),
    );
}

function registerPasswords(program: Command, act: Act): void {
  const password = program.command('password').description('with what controllers log in at nodes');
  withPasswordFlags(password.command('set'))
    .description('store another password of all nodes, or of one, once they accept it')
    .option('--node <node>', 'of this one alone')
    .option('--force', 'store it also where a node that answers refuses it')
    .addHelpText('after', '\nExample: kvctl password set -n shop -c carts --password-file new-password')
    .action(
      act(async (session, _, flags) => {
        const body = passwordOf(flags);
        if (body.password === undefined) throw usage('which password? Say --password-file FILE');
        const { node, force = false } = flags;
        const place = typeof node === 'string' ? await nodeNamed(session, node) : null;
        const whose = place?.addr ?? session.cluster;
        if (force === true)
          await session.terminal.confirm(
            `controllers cannot log in at nodes of ${whose} that have another password`,
            whose,
          );
        const path = place === null ? session.path() : pathOf(session, place);
        const { data } = await session.client.send('PATCH', path, { ...body, force });
        await session.output.done(printable(`the password of ${whose} was stored`), data);
      }),
    );
}

function pathOf(session: Session, { shard, id }: NodePlace, rest = ''): string {
  return session.path(`/shards/${shard}/nodes/${id}${rest}`);
}

async function takeOffline(session: Session, name: string, flags: Flags): Promise<void> {
  const { until, reason = '', force = false } = flags;
  const place = await nodeNamed(session, name);
  if (force === true)
    await session.terminal.confirm(
      `${place.addr} is not replaced while it is away, also if it is a master`,
      place.addr,
    );
  const body = { reason, force, ...(until === undefined ? {} : { until }) };
  const { data } = await session.client.send('PUT', pathOf(session, place, '/maintenance'), body);
  const {
    maintenance,
    new_master_id: successor,
    warning,
  } = data as {
    maintenance: { until: string | null } | null;
    new_master_id?: string;
    warning?: string;
  };
  if (warning !== undefined) session.terminal.tell(`warning: ${warning}`);
  if (successor !== undefined)
    session.terminal.tell(`${successor} is the master of shard ${place.shard} from now on`);
  const end = maintenance?.until ?? null;
  const untilText = end === null ? 'it is online again (kvctl node online)' : end;
  await session.output.done(printable(`${place.addr} is in maintenance until ${untilText}`), data, [
    place.id,
  ]);
}

async function setNode(session: Session, name: string, flags: Flags): Promise<void> {
  const { priority, zone } = flags;
  if (priority === undefined && zone === undefined) throw usage('set what? Say --priority N or --zone NAME');
  const body = {
    ...(priority === undefined ? {} : { failover_priority: count(priority, '--priority') }),
    ...(zone === undefined ? {} : { zone }),
  };
  const place = await nodeNamed(session, name);
  const { data } = await session.client.send('PATCH', pathOf(session, place), body);
  const said = [
    ...(priority === undefined ? [] : [`priority ${count(priority, '--priority')}`]),
    ...(zone === undefined ? [] : [`zone ${JSON.stringify(zone)}`]),
  ];
  await session.output.done(printable(`${place.addr} has ${said.join(' and ')} now`), data, [place.id]);
}

interface SyncBody {
  readonly version: number;
  readonly nodes: readonly {
    readonly id: string;
    readonly addr: string;
    readonly version: { readonly wanted: number; readonly seen: number | null };
    readonly told: boolean;
    readonly why: string | null;
    readonly converged: boolean;
  }[];
}

async function showSync(session: Session, data: unknown): Promise<void> {
  const { nodes } = (data as { sync: SyncBody }).sync;
  await session.output.show({
    data,
    items: nodes,
    names: nodes.map(({ id }) => id),
    table: () =>
      session.terminal.table(
        ['ADDRESS', 'WANTED', 'SEEN', 'TOLD', 'IN PLACE', 'WHY NOT'],
        nodes.map(({ addr, version, told, converged, why }) => [
          addr,
          String(version.wanted),
          String(version.seen ?? '?'),
          yesCell(told),
          yesCell(converged),
          why ?? '',
        ]),
      ),
  });
}

function yesCell(is: boolean): Cell {
  return is ? 'yes' : { text: 'no', colour: 'red' };
}
