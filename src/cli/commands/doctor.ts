// `doctor`: the whole group looked over, with what is wrong, why, and what to do about it.

import type { Command } from 'commander';

import { EXIT } from '../failure.ts';
import type { GlobalFlags, Session } from '../session.ts';
import type { Colour } from '../terminal.ts';
import type { Row } from '../doctor/checks.ts';
import type { Verdict } from '../doctor/judgement.ts';
import type { Act } from './act.ts';
import { type Block, line, printBlocks } from './blocks.ts';

/** For all questions together, milliseconds. */
const TIMEOUT_DEFAULT_MS = 15_000;

const COLOURS: Readonly<Record<Verdict, Colour>> = { fail: 'red', warn: 'yellow', ok: 'green' };

export function registerDoctor(program: Command, act: Act): void {
  program
    .command('doctor')
    .description(
      'ask every controller and look over all of it: what is wrong, why, and what to do; exit code 8 where something fails',
    )
    .option('--before-upgrade', 'also what has to be so before the controllers are exchanged')
    .addHelpText(
      'after',
      '\nAll questions together take 15s at most, unless --timeout says otherwise. docs/kvctl.md lists what is looked at.\n' +
        '\nExamples: kvctl doctor -H 10.0.0.1:9379,10.0.0.2:9379\n          kvctl doctor --before-upgrade -o json',
    )
    .action(async (...given: unknown[]) => {
      // A global flag, which means all of the time here.
      const { timeout } = (given.at(-1) as Command).optsWithGlobals<GlobalFlags>();
      const perform = act((session, _, { beforeUpgrade }) =>
        doctor(session, {
          timeoutMs: timeout ?? TIMEOUT_DEFAULT_MS,
          isBeforeUpgrade: beforeUpgrade === true,
        }),
      );
      await perform(...given);
    });
}

interface DoctorFlags {
  readonly timeoutMs: number;
  readonly isBeforeUpgrade: boolean;
}

async function doctor(session: Session, { timeoutMs, isBeforeUpgrade }: DoctorFlags): Promise<void> {
  const { collectSights } = await import('../doctor/collect.ts');
  const { examine } = await import('../doctor/checks.ts');
  const rows = examine(await collectSights(session.client, timeoutMs), isBeforeUpgrade);
  await session.output.show({
    data: { rows },
    items: rows,
    names: rows.flatMap(({ name, verdict }) => (verdict === 'ok' ? [] : [name])),
    table: () => printBlocks(session.terminal, doctorBlocks(rows)),
  });
  if (rows.some(({ verdict }) => verdict === 'fail')) process.exitCode = EXIT.findings;
}

/** For people: what is wrong with its remedy below it, what is well in a line each. */
export function doctorBlocks(rows: readonly Row[]): readonly Block[] {
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2;
  const count = (verdict: Verdict): number => rows.filter((row) => row.verdict === verdict).length;
  return [
    ...rows.flatMap(({ name, verdict, subject, why, remedy }) => [
      line(`${verdict.padEnd(6)}${name.padEnd(width)}${subject}: ${why}`, COLOURS[verdict]),
      ...(remedy === null ? [] : [line(`${' '.repeat(6)}to do: ${remedy}`)]),
    ]),
    line(`${count('fail')} fail, ${count('warn')} warn, ${count('ok')} ok`, 'bold'),
  ];
}
