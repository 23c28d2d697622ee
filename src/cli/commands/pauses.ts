// Automatic failovers held back, of a cluster or of all.

import type { Command } from 'commander';

import { printable } from '../../base/printable.ts';
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
    .description('automatic failovers again')
    .option('--all', ALL)
    .addHelpText('after', '\nExample: kvctl resume -n shop -c carts')
    .action(act((session, _, { all }) => wish(session, all === true, { failover: 'on' })));
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
