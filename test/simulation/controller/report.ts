// What people read: a verdict with its last events and the command that replays it, and the closing line of a sweep.

import { runSeed, type Verdict } from './run.ts';
import type { Totals } from './sweep.ts';

/** Lines before a violation that are shown with it. */
const TAIL_LINES = 80;

/** Lines that say little of what the whole does: the disks, and messages of Raft. */
const DETAIL = /^\s*[\d.]+ {2}\S+ {2}(?:disk |sends \{|looked )/u;

/** Whether a line of the event list is for whoever looks at the whole. */
export function isTelling(line: string): boolean {
  return !DETAIL.test(line);
}

/** A failed verdict: what is wrong, the events that led to it (the seed is run again for them), and how to replay it. */
export async function describeFailure(verdict: Verdict): Promise<string> {
  const { seed, violation } = verdict;
  const lines: string[] = [];
  const writer = (line: string): void => {
    if (isTelling(line)) lines.push(line);
    if (lines.length > TAIL_LINES * 2) lines.splice(0, TAIL_LINES);
  };
  const again = await runSeed({ seed, writer });
  const same = again.hash === verdict.hash;
  return [
    `seed ${seed}: ${violation ?? 'clean'}`,
    ...lines.slice(-TAIL_LINES).map((line) => `  ${line}`),
    same ? '' : 'The second run went another way: something that is not the seed decides what happens.',
    `replay: npm run simulate:controller -- --seed ${seed}   (--trace for what happens, --details for all events)`,
  ].join('\n');
}

/** One line for one verdict. */
export function describeVerdict({ seed, violation, hash, ...counts }: Verdict): string {
  const { events, virtualMs, ...happened } = counts;
  return `seed ${seed}: ${violation ?? 'clean'}; ${events} events, ${(virtualMs / 1000).toFixed(1)} s of virtual time, ${counted(happened)}, trace hash ${hash}`;
}

/** The closing line of a sweep. */
export function describeTotals({ seeds, failures, events, virtualMs, ...happened }: Totals): string {
  const state = failures === 0 ? 'clean' : `${failures} FAILED`;
  const size = `${events} events, ${Math.round(virtualMs / 1000)} group-seconds`;
  return `${seeds} seeds: ${state}, ${size}, ${counted(happened)}`;
}

function counted({
  writes,
  failovers,
  switchovers,
  leaders,
  replacements,
  moves,
  tasks,
}: Pick<
  Totals,
  'writes' | 'failovers' | 'switchovers' | 'leaders' | 'replacements' | 'moves' | 'tasks'
>): string {
  return `${writes} acknowledged writes, ${failovers} unplanned and ${switchovers} planned failovers, ${replacements} spares used, ${moves} moves of slots, ${tasks} tasks done, ${leaders} leaders`;
}
