// Slots that are asked to move, as upstream's client asks for it, and in lists.

import type { Command } from 'commander';

import { printable } from '../../base/printable.ts';
import { EXIT, Failure, usage } from '../failure.ts';
import { shardIndex, type Session } from '../session.ts';
import type { Act } from './act.ts';
import { tuningOf, withTuningFlags } from './plans.ts';
import { showTask, type TaskBody } from './task-view.ts';
import { taskEnded, taskOf, waitOf, withWaitFlag } from './task-wait.ts';
import { addresses } from './places.ts';

type Flags = Readonly<Record<string, unknown>>;

export function registerMoves(program: Command, act: Act): void {
  const migrate = program.command('migrate').description('move slots to another shard');
  withMoveFlags(migrate.command('slot [range]'))
    .description('a slot, or a range of them, with the data')
    .option('--slot <range>', 'the same as the argument, as upstream has it')
    .addHelpText('after', '\nExample: kvctl migrate slot 5-9 --target 1 -n shop -c carts --wait')
    .action(
      act((session, [range], flags) => {
        const meant = range ?? flags['slot'];
        if (typeof meant !== 'string') throw usage('which slots? Say 5 or 5-9');
        return move(session, flags, [meant]);
      }),
    );
  withMoveFlags(migrate.command('slots <ranges...>'))
    .description('several of them, of any shards')
    .addHelpText('after', '\nExample: kvctl migrate slots 1 2-8 11-22 --target 1 -n shop -c carts --wait')
    .action(act((session, ranges, flags) => move(session, flags, addresses(ranges))));
  migrate
    .command('cancel')
    .description('give up all migrations that have not ended, or some; the slots that have come stay')
    .option('--slot <range>', 'the one that moves these slots')
    .option('--source <index>', 'those out of this shard')
    .addHelpText('after', '\nExample: kvctl migrate cancel -n shop -c carts')
    .action(
      act(async (session, _, { slot, source }) => {
        const body = {
          ...(slot === undefined ? {} : { slot }),
          ...(typeof source === 'string' ? { source: shardIndex(source) } : {}),
        };
        const { data } = await session.client.send('POST', session.path('/migrate/cancel'), body);
        await session.output.done(
          'given up; what moves now comes to its end first (kvctl task list --all)',
          data,
        );
      }),
    );
}

function withMoveFlags(command: Command): Command {
  return withWaitFlag(withTuningFlags(command))
    .requiredOption('--target <index>', 'the shard they come to')
    .option('--slot-only', 'only record who owns them, at once and without their data');
}

async function move(session: Session, flags: Flags, ranges: readonly string[]): Promise<void> {
  const target = shardIndex(String(flags['target']));
  const isSlotOnly = flags['slotOnly'] === true;
  const [only = ''] = ranges;
  const body = {
    target,
    ...(ranges.length === 1 ? { slot: only } : { slots: ranges }),
    slotOnly: isSlotOnly ? 'true' : 'false',
    ...tuningOf(flags),
  };
  const { data } = await session.client.send('POST', session.path('/migrate'), body);
  const text = ranges.join(' ');
  if (isSlotOnly) {
    session.terminal.tell('only who owns them was recorded: their data stays where it is');
    return session.output.done(printable(`slots ${text} are those of shard ${target} now`), data);
  }
  const task = await taskFor(session, ranges, target);
  const waitMs = waitOf(flags);
  if (task === null) {
    const sentence = printable(`slots ${text} are to move to shard ${target}`);
    if (waitMs === null) return session.output.done(sentence, data);
    throw new Failure(
      EXIT.unknown,
      `${sentence}; which migration that is is not known: kvctl task list --all`,
    );
  }
  const shown = waitMs === null ? task : await taskEnded(session, { id: task.id, waitMs });
  await showTask(session, { migration: shown }, shown);
}

/** Newest first; more than that nobody asks for in between. */
const LOOKED_AT_MAX = 10;

/** The answer names no migration, as upstream's has none; no other one of these slots is newer. Null where the group keeps no migrations yet. */
async function taskFor(
  session: Session,
  ranges: readonly string[],
  target: number,
): Promise<TaskBody | null> {
  const { data } = await session.client.get(session.path('/migrations'));
  const { migrations } = data as { migrations: readonly TaskBody[] };
  const wanted = slotsOf(ranges);
  const candidates = migrations.filter(
    ({ kind, slots }) => kind === 'migrate' && slots.total === wanted.size,
  );
  for (const { id } of candidates.slice(0, LOOKED_AT_MAX)) {
    const task = await taskOf(session, id);
    const { ranges: parts = [] } = task;
    const isTarget = parts.every((part) => part.target === null || part.target === target);
    const isThese = [...slotsOf(parts.map(({ slots }) => slots))].every((slot) => wanted.has(slot));
    if (isTarget && isThese) return task;
  }
  return null;
}

const SLOT_COUNT = 16_384;

/** What the server has taken already; anything else is none. */
export function slotsOf(ranges: readonly string[]): ReadonlySet<number> {
  const slots = new Set<number>();
  for (const range of ranges) {
    const [, start = '', stop = start] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    const last = Math.min(Number(stop === '' ? Number.NaN : stop), SLOT_COUNT - 1);
    for (let slot = Number(start); slot <= last; slot += 1) slots.add(slot);
  }
  return slots;
}
