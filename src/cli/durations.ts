// Spans of time and points in it, as people write them.

import { InvalidArgumentError } from 'commander';

import { parseTime } from '../base/wall-time.ts';

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION_MS_MAX = 366 * 86_400_000;

/** Milliseconds of `30s`, `500ms`, `2m`, `8h`, `1d`, plain numbers are seconds; null for any other text. */
export function durationMs(text: string): number | null {
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  const ms = Number(amount) * (UNITS[unit] ?? Number.NaN);
  return ms > 0 && ms <= DURATION_MS_MAX ? ms : null;
}

/** For a flag of commander. */
export function waitDuration(text: string): number {
  const ms = durationMs(text);
  if (ms === null) throw new InvalidArgumentError('expected a duration such as 30s, 2m or 1h');
  return ms;
}

/** For the flag that limits an answer: a day at most, which is as long as any timer lasts. */
export function timeoutDuration(text: string): number {
  const ms = durationMs(text);
  if (ms === null || ms > 86_400_000)
    throw new InvalidArgumentError('expected a duration such as 30s, 500ms or 2m');
  return ms;
}

/** For a flag of commander: a time with its zone, which stays as it is, or how long from now on. */
export function untilTime(text: string): string {
  if (parseTime(text) !== null) return text;
  const ms = durationMs(text);
  if (ms === null)
    throw new InvalidArgumentError(
      'expected a time with its zone, such as 2026-01-31T12:00:00Z, or how long from now on, such as 2h',
    );
  return new Date(Date.now() + ms).toISOString();
}
