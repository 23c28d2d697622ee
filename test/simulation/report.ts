// What people read: a verdict with its last events and the command that replays it, and the closing line of a sweep.

import { MARKS, type Marks } from './marks.ts';
import { runSeed, type RunOptions, type Verdict } from './run.ts';
import type { Totals } from './sweep.ts';

/** Events before a violation that are shown with it. */
const TAIL_LINES = 60;

/** The command that runs exactly this again. */
export function replayCommand({ seed, members }: Pick<RunOptions, 'seed' | 'members'>): string {
  return `npm run simulate -- --seed ${seed} --members ${members}`;
}

/** A failed verdict: what is wrong, the events that led to it (the seed is run again for them), and how to replay it. */
export function describeFailure(verdict: Verdict): string {
  const { seed, members, violation } = verdict;
  const lines: string[] = [];
  const again = runSeed({
    seed,
    members,
    writer: (line) => {
      lines.push(line);
      if (lines.length > TAIL_LINES * 2) lines.splice(0, TAIL_LINES);
    },
  });
  const same = again.hash === verdict.hash;
  return [
    `seed ${seed}, ${members} members: ${violation ?? 'clean'}`,
    ...lines.slice(-TAIL_LINES).map((line) => `  ${line}`),
    same ? '' : 'The second run went another way: something that is not the seed decides what happens.',
    `replay: ${replayCommand(verdict)}   (--trace for all events)`,
  ].join('\n');
}

/** One line for one verdict. */
export function describeVerdict({ seed, members, violation, hash, ...counts }: Verdict): string {
  const { events, operations, virtualMs } = counts;
  const size = `${events} events, ${operations} operations, ${(virtualMs / 1000).toFixed(1)} s of virtual time`;
  return `seed ${seed}, ${members} members: ${violation ?? 'clean'}; ${size}, trace hash ${hash}`;
}

/** The closing line of a sweep. */
export function describeTotals(totals: Totals, members: number): string {
  const { seeds, failures, events, operations, virtualMs, marks } = totals;
  const state = failures === 0 ? 'clean' : `${failures} FAILED`;
  const size = `${events} events, ${operations} operations, ${Math.round(virtualMs / 1000)} cluster-seconds`;
  const all = Object.keys(MARKS).length;
  const missing = marks.missing();
  const taken =
    missing.length === 0 ? `all ${all}` : `${all - missing.length} of ${all}, not: ${missing.join(' ')}`;
  return `${seeds} seeds, ${members} members: ${state}, ${size}, marks: ${taken}`;
}

/** Every mark with its count, rarest first. */
export function describeMarks(marks: Marks): string {
  const names = Object.entries(MARKS)
    .map(([name, meaning]) => ({ name, meaning, count: marks.toJSON()[name] ?? 0 }))
    .sort((left, right) => left.count - right.count);
  return names
    .map(({ name, meaning, count }) => `${String(count).padStart(9)}  ${name.padEnd(20)}  ${meaning}`)
    .join('\n');
}
