// Migrations that were asked for: looked at, held up, given up, tried again.

import type { Command } from 'commander';

import { usage } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Act } from './act.ts';
import { printTasks, showTask, type TaskBody } from './task-view.ts';
import { taskEnded, waitOf, withWaitFlag } from './task-wait.ts';

interface Wish {
  readonly description: string;
  /** Whether what follows can be waited for. */
  readonly hasEnd: boolean;
}

const WISHES = {
  pause: { description: 'begin nothing more of it for now; what moves goes on to its end', hasEnd: false },
  resume: { description: 'let it go on', hasEnd: true },
  cancel: { description: 'give it up; the slots that have come stay', hasEnd: true },
  retry: { description: 'try again what is left of one that failed or was cancelled', hasEnd: true },
} as const satisfies Record<string, Wish>;

export function registerTasks(program: Command, act: Act): void {
  const task = program.command('task').description('migrations: slots on their way to other shards');
  withListFlags(task.command('list'), 'kvctl task list -n shop -c carts').action(
    act((session, _, { all }) => listTasks(session, all === true)),
  );
  const list = program.commands.find((command) => command.name() === 'list');
  if (list !== undefined)
    withListFlags(list.command('tasks'), 'kvctl list tasks -n shop -c carts').action(
      act((session, _, { all }) => listTasks(session, all === true)),
    );
  withWaitFlag(task.command('show <id>'))
    .description('one with its ranges')
    .addHelpText('after', '\nExample: kvctl task show 3 -n shop -c carts --wait')
    .action(
      act(async (session, [id = ''], flags) => {
        const number = idOf(id);
        const waitMs = waitOf(flags);
        if (waitMs !== null) await taskEnded(session, { id: number, waitMs });
        const { data } = await session.client.get(session.path(`/migrations/${number}`));
        await showTask(session, data, (data as { migration: TaskBody }).migration);
      }),
    );
  for (const [wish, { description, hasEnd }] of Object.entries(WISHES)) {
    const command = task.command(`${wish} <id>`).description(description);
    (hasEnd ? withWaitFlag(command) : command)
      .addHelpText('after', `\nExample: kvctl task ${wish} 3 -n shop -c carts`)
      .action(act((session, [id = ''], flags) => want(session, { id: idOf(id), wish }, waitOf(flags))));
  }
}

function withListFlags(command: Command, example: string): Command {
  return command
    .description('migrations that have not ended')
    .option('--all', 'those that have ended, too')
    .addHelpText('after', `\nExample: ${example}`);
}

function idOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usage(`${JSON.stringify(text)} is no number of a migration, such as 3`);
  return Number(text);
}

async function listTasks(session: Session, isAll: boolean): Promise<void> {
  const { data } = await session.client.get(session.path('/migrations'));
  const { migrations } = data as { migrations: readonly TaskBody[] };
  const isShown = ({ ended_at: endedAt, removes }: TaskBody): boolean =>
    endedAt === null || removes.length > 0;
  const shown = isAll ? migrations : migrations.filter(isShown);
  await session.output.show({
    data: { migrations: shown },
    items: shown,
    names: shown.map(({ id }) => String(id)),
    table: (isWide) => printTasks(session, shown, isWide),
  });
  const ended = migrations.length - shown.length;
  if (session.output.isTable && ended > 0) session.terminal.tell(`${ended} that have ended: --all`);
}

async function want(
  session: Session,
  { id, wish }: { readonly id: number; readonly wish: string },
  waitMs: number | null,
): Promise<void> {
  const { data } = await session.client.send('POST', session.path(`/migrations/${id}/${wish}`));
  if (waitMs === null) return showTask(session, data, (data as { migration: TaskBody }).migration);
  const migration = await taskEnded(session, { id, waitMs, mayBeCancelled: wish === 'cancel' });
  await showTask(session, { migration }, migration);
}
