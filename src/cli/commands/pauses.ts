// Automatic failovers held back, of a cluster or of all.

import type { Command } from 'commander';

import { printable } from '../../base/printable.ts';
import { usage } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Act } from './act.ts';
import { untilTime } from '../durations.ts';

const ALL = 'in all clusters instead of one';

export function registerPauses(program: Command, act: Act): void {
  program
    .command('pause')
    .description('no automatic failover in a cluster, or in all; everything else goes on')
    .option('--all', ALL)
    .option('--until <time>', 'when it ends by itself: 2026-01-31T12:00:00Z, or how long: 2h', untilTime)
    .option('--reason <text>', 'why, for everybody who looks')
    .option('--dry-run-failover', 'tell who would take over, and do not do it')
    .addHelpText('after', '\nExample: kvctl pause -n shop -c carts --until 2h --reason "we move racks"')
    .action(
      act(async (session, _, flags) => {
        const { until, reason = '', dryRunFailover } = flags;
        const failover = dryRunFailover === true ? 'dry-run' : 'paused';
        const body = { failover, reason, ...(until === undefined ? {} : { until }) };
        await wish(session, flags['all'] === true, body);
      }),
    );
  program
    .command('resume')
    .description(
      'automatic failovers again; or, after a restore, a cluster that is only looked at is managed again',
    )
    .option('--all', ALL)
    .option('--accept', 'a cluster of a group that was made out of a backup, as it is recorded')
    .option('--force', 'with --accept: whatever its nodes say, also where newer data is lost')
    .addHelpText(
      'after',
      '\nExamples: kvctl resume -n shop -c carts\n          kvctl resume -n shop -c carts --accept',
    )
    .action(
      act(async (session, _, { all, accept: isAccepted, force }) => {
        if (isAccepted !== true && force === true) throw usage('--force goes with --accept');
        if (isAccepted === true && all === true)
          throw usage('clusters are accepted one by one, without --all');
        if (isAccepted === true) await accept(session, force === true);
        else await wish(session, all === true, { failover: 'on' });
      }),
    );
}

interface AcceptAnswer {
  readonly accept: { readonly version: number; readonly overridden: readonly string[] };
}

async function accept(session: Session, isForced: boolean): Promise<void> {
  const { cluster } = session;
  if (isForced)
    await session.terminal.confirm(
      `${cluster} becomes what the backup says, also where its nodes have newer data, which is lost by that`,
      cluster,
    );
  const body = isForced ? { force: true } : {};
  const { data } = await session.client.send('POST', session.path('/accept'), body);
  const { version, overridden } = (data as AcceptAnswer).accept;
  for (const objection of overridden) session.terminal.tell(printable(`overridden: ${objection}`));
  await session.output.done(printable(`${cluster} is managed again, at version ${version}`), data);
}

interface AutomationBody {
  readonly failover: string;
  readonly until: string | null;
  readonly reason: string;
}

interface AutomationAnswer {
  readonly automation: AutomationBody;
  readonly effective: AutomationBody & { readonly by: 'cluster' | 'group' | null };
}

async function wish(session: Session, isForAll: boolean, body: object): Promise<void> {
  const path = isForAll ? '/automation' : session.path('/automation');
  const { data } = await session.client.send('PUT', path, body);
  const { automation, effective } = data as AutomationAnswer;
  const whose = isForAll ? 'of all clusters' : `of ${session.cluster}`;
  await session.output.done(automationSentence(whose, automation), data);
  // The stricter one of both counts.
  if (!isForAll && effective.by === 'group' && effective.failover !== automation.failover)
    session.terminal.tell(
      `what is wished of all clusters counts here, too: ${automationSentence('', effective)}; kvctl resume --all ends that`,
    );
}

export function automationSentence(whose: string, { failover, until, reason }: AutomationBody): string {
  const what =
    { on: 'is on', paused: 'is paused', 'dry-run': 'is told only, not done' }[failover] ?? failover;
  const end = until === null ? '' : ` until ${until}`;
  const why = reason === '' ? '' : `: ${reason}`;
  return printable(
    ['automatic failover', whose, `${what}${end}${why}`].filter((part) => part !== '').join(' '),
  );
}
