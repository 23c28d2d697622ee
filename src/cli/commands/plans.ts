// Clusters that grow, shrink and even out: plans, and the migrations that carry them out.

import { type Command, Option } from 'commander';

import { printable } from '../../base/printable.ts';
import { usage } from '../failure.ts';
import { shardIndex, type Session } from '../session.ts';
import type { Cell } from '../terminal.ts';
import type { Act } from './act.ts';
import { passwordOf, withPasswordFlags } from './password.ts';
import { printTasks, type TaskBody } from './task-view.ts';
import { taskEnded, waitOf, withWaitFlag } from './task-wait.ts';
import { addresses, count } from './places.ts';

type Flags = Readonly<Record<string, unknown>>;

export function registerPlans(program: Command, act: Act): void {
  withPlanFlags(withPasswordFlags(program.command('scale-out')))
    .description('add shards of empty nodes and give them their part of the slots')
    .requiredOption(
      '--nodes <addresses>',
      'a,b,c: consecutive ones make a shard, the first of each is its master',
    )
    .option('-r, --replica <count>', 'nodes of a shard, its master included', '1')
    .addOption(weightOption())
    .option('--remake', 'replicas may bring data, which is thrown away')
    .addHelpText(
      'after',
      '\nExample: kvctl scale-out -n shop -c carts --nodes 10.0.1.7:6666,10.0.2.7:6666 --replica 2 --wait',
    )
    .action(
      act((session, _, flags) =>
        carryOut(session, flags, {
          path: '/scale-out',
          body: {
            nodes: addresses(flags['nodes']),
            replicas: count(flags['replica'], '--replica'),
            ...passwordOf(flags),
            ...weightsOf(flags),
            ...(flags['remake'] === true ? { remake: true } : {}),
          },
        }),
      ),
    );
  withPlanFlags(program.command('scale-in'))
    .description('empty shards, then remove them with their nodes')
    .requiredOption('--shards <indexes>', '3,4')
    .addHelpText('after', '\nExample: kvctl scale-in -n shop -c carts --shards 3,4 --dry-run')
    .action(
      act(async (session, _, flags) => {
        const shards = addresses(flags['shards']).map(shardIndex);
        const what = `shard ${shards.join(', ')} of ${session.cluster} is to be emptied, and removed with all its nodes`;
        if (flags['dryRun'] !== true) await session.terminal.confirm(what, session.cluster);
        await carryOut(session, flags, { path: '/scale-in', body: { shards } });
      }),
    );
  withPlanFlags(program.command('rebalance'))
    .description('spread the slots evenly over the shards, or by weight')
    .addOption(weightOption())
    .addHelpText('after', '\nExample: kvctl rebalance -n shop -c carts --weight 0=2 --dry-run -o wide')
    .action(
      act((session, _, flags) => carryOut(session, flags, { path: '/rebalance', body: weightsOf(flags) })),
    );
  const shard = program.command('shard').description('work on a shard');
  for (const parent of [program, shard])
    withPlanFlags(parent.command('drain [index]'))
      .description('empty a shard, which stays')
      .addHelpText('after', '\nExample: kvctl drain 1 -n shop -c carts --wait')
      .action(
        act((session, [index], flags) => {
          const drained = index === undefined ? session.shard : shardIndex(index);
          return carryOut(session, flags, { path: `/shards/${drained}/drain`, body: {} });
        }),
      );
}

/** How slots are to move. */
export function withTuningFlags(command: Command): Command {
  return command
    .option('--batch <slots>', 'slots that move at once, at most')
    .option('--speed <keys>', 'keys a second that a node sends, at most; 0 for no limit')
    .addOption(new Option('--type <type>', 'how nodes send').choices(['redis-command', 'raw-key-value']));
}

export function tuningOf({ batch, speed, type }: Flags): object {
  return {
    ...(batch === undefined ? {} : { batch: count(batch, '--batch') }),
    ...(speed === undefined ? {} : { speed: count(speed, '--speed') }),
    ...(type === undefined ? {} : { type }),
  };
}

function withPlanFlags(command: Command): Command {
  return withWaitFlag(withTuningFlags(command)).option('--dry-run', 'show the plan, and change nothing');
}

function weightOption(): Option {
  return new Option(
    '--weight <shard=weight>',
    'its part of the slots, 1 for all others; repeat it: 0=2',
  ).argParser((text: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), text]);
}

/** `{"0": 2}` of `0=2`, as the API has it; nothing where none is named. */
export function weightsOf({ weight }: Flags): { readonly weights?: Readonly<Record<string, number>> } {
  if (weight === undefined) return {};
  const pairs = addresses(weight).map((text): readonly [string, number] => {
    const [, shard, value] = /^(\d{1,9})=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
    if (shard === undefined || value === undefined)
      throw usage(`--weight ${text}: expected a shard and its weight, such as 0=2`);
    return [shard, Number(value)];
  });
  return { weights: Object.fromEntries(pairs) };
}

interface PlanBody {
  readonly slots_moved: number;
  readonly slots_unowned: number;
  readonly moves: readonly {
    readonly source: number | null;
    readonly target: number;
    readonly slots: readonly string[];
  }[];
  readonly shards: readonly { readonly shard: number; readonly before: number; readonly after: number }[];
}

async function carryOut(
  session: Session,
  flags: Flags,
  { path, body }: { readonly path: string; readonly body: object },
): Promise<void> {
  const isDryRun = flags['dryRun'] === true;
  const request = { ...body, ...tuningOf(flags), ...(isDryRun ? { dry_run: true } : {}) };
  const { data } = await session.client.send('POST', session.path(path), request);
  const { plan, migration } = data as { plan: PlanBody; migration: TaskBody | null };
  const waitMs = waitOf(flags);
  const isWaitedFor = migration !== null && waitMs !== null;
  const task = isWaitedFor ? await taskEnded(session, { id: migration.id, waitMs }) : migration;
  await session.output.show({
    data: { plan, migration: task },
    names: task === null ? [] : [String(task.id)],
    table: (isWide) => {
      printPlan(session, plan, isWide);
      if (task === null)
        return session.terminal.print(isDryRun ? '\nnothing was changed' : '\nnothing has to be done');
      session.terminal.print('');
      printTasks(session, [task], isWide);
    },
  });
}

function printPlan({ terminal }: Session, plan: PlanBody, isWide: boolean): void {
  terminal.table(['SHARD', 'SLOTS', 'AFTER', 'CHANGE'], planRows(plan));
  if (plan.slots_unowned > 0)
    terminal.tell(`nobody owns ${plan.slots_unowned} slots, which stay as they are`);
  if (!isWide || plan.moves.length === 0) return;
  terminal.print('');
  terminal.table(
    ['FROM', 'TO', 'SLOTS'],
    plan.moves.map(({ source, target, slots }) => [
      source === null ? 'nobody' : String(source),
      String(target),
      printable(slots.join(' ')),
    ]),
  );
}

/** A row a shard. */
export function planRows({ shards }: PlanBody): readonly (readonly Cell[])[] {
  return shards.map(({ shard, before, after }) => {
    const change = after - before;
    return [
      String(shard),
      String(before),
      String(after),
      change === 0 ? '' : { text: change > 0 ? `+${change}` : String(change), colour: 'bold' },
    ];
  });
}
