// Spans of time as people write and read them.

import { parseTime, printTime } from '../../base/wall-time.ts';
import { usage } from '../failure.ts';
import { durationMs } from '../durations.ts';

/** The time that is meant by `10m` (so long ago) or by a time with its zone. Throws `Failure` for any other text. */
export function parseSince(text: string, nowMs: number): string {
  if (parseTime(text) !== null) return text;
  const span = durationMs(text);
  const seconds = span === null ? -1 : Math.floor((nowMs - span) / 1000);
  if (span !== null) return printTime(Math.max(0, seconds));
  throw usage(
    `--since ${text}: expected a duration such as 10m or 2d, or a time such as 2026-01-31T12:00:00Z`,
  );
}

/** `850 ms`, `4.2 s`, `3 min 20 s`, `5 h 3 min`. */
export function spanText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${Math.floor(seconds * 10) / 10} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min${rest(Math.floor(seconds % 60), 's')}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h${rest(minutes % 60, 'min')}`;
  return `${Math.floor(hours / 24)} d${rest(hours % 24, 'h')}`;
}

function rest(count: number, unit: string): string {
  return count === 0 ? '' : ` ${count} ${unit}`;
}
