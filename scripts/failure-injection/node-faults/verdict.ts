// The line of verdict of a scenario of failing nodes. Pure.

import { median } from '../../lib/statistics.ts';
import type { Finding } from './node-fault.ts';

/** Outcomes counted, then every measured time with its median and its worst: `3x replaced; first write after 1320 ms (worst 1900 ms)`. */
export function describeSeen(findings: readonly Pick<Finding, 'outcomes' | 'times'>[]): string {
  const outcomes = countsOf(findings.flatMap((finding) => finding.outcomes));
  const counted = [...outcomes].map(([outcome, count]) => `${count}x ${outcome}`);
  const all = findings.flatMap((finding) => finding.times);
  const timed = [...new Set(all.map((time) => time.of))].map((what) => {
    const times = all.filter((time) => time.of === what).map(({ ms }) => ms);
    return `${what} ${Math.round(median(times))} ms (worst ${Math.round(Math.max(...times))} ms)`;
  });
  const parts = [counted.length === 0 ? 'nothing' : counted.join(', '), ...timed];
  return parts.join('; ');
}

/** `scenario | expected | seen | acknowledged writes lost of N`. */
export function verdictLine(verdict: {
  readonly name: string;
  readonly expected: string;
  readonly seen: string;
  readonly lostCount: number;
  /** Of the losses, how they lie to the faults; empty when there are none. */
  readonly losses: string;
  readonly unexcusedCount: number;
  readonly acknowledgedCount: number;
}): string {
  const { name, expected, seen, lostCount, losses, unexcusedCount, acknowledgedCount } = verdict;
  const details = losses === '' ? '' : ` (${losses})`;
  const outside = unexcusedCount === 0 ? '' : `, ${unexcusedCount} OUTSIDE THE RULES`;
  return `${name} | ${expected} | ${seen} | ${lostCount} of ${acknowledgedCount}${details}${outside}`;
}

function countsOf(words: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
