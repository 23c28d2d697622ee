// Migrations as the API has them, for people: how far they are, how fast they go, and what they wait for.

import { printable } from '../../base/printable.ts';
import type { Session } from '../session.ts';
import type { Cell, Colour } from '../terminal.ts';

export interface TaskBody {
  readonly id: number;
  readonly kind: string;
  readonly state: string;
  readonly reason: string;
  /** Shards that are still to be removed. */
  readonly removes: readonly number[];
  readonly slots: { readonly total: number; readonly moved: number; readonly left: number };
  readonly percent: number;
  readonly slots_per_second: number | null;
  readonly seconds_left: { readonly least: number; readonly most: number } | null;
  readonly retries: number;
  readonly created_at: string;
  readonly ended_at: string | null;
  /** Of one alone. */
  readonly ranges?: readonly RangeBody[];
}

interface RangeBody {
  readonly slots: string;
  readonly source: number | null;
  readonly target: number | null;
  readonly moved: number;
  readonly left: number;
  readonly state: string;
  readonly attempts: number;
  readonly last_error: string;
}

const COLOURS: Readonly<Record<string, Colour>> = {
  succeeded: 'green',
  done: 'green',
  failed: 'red',
  cancelled: 'yellow',
  paused: 'yellow',
};

/** In a table of its own, whatever the form of the rest. */
export function printTasks(session: Session, tasks: readonly TaskBody[], isWide: boolean): void {
  const rows = tasks.map((task): readonly Cell[] => [
    String(task.id),
    task.kind,
    stateCell(task.state),
    `${task.percent}%`,
    `${task.slots.moved}/${task.slots.total}`,
    rateText(task),
    leftText(task),
    ...(isWide ? [String(task.retries), task.created_at, task.ended_at ?? ''] : []),
    task.reason,
  ]);
  const wide = isWide ? ['RETRIES', 'ASKED', 'ENDED'] : [];
  const head = ['ID', 'KIND', 'STATE', 'DONE', 'SLOTS', 'SLOTS/S', 'LEFT', ...wide, 'REASON'];
  session.terminal.table(head, rows);
}

/** One with its ranges, where the answer has them. */
export async function showTask(session: Session, data: unknown, task: TaskBody): Promise<void> {
  await session.output.show({
    data,
    names: [String(task.id)],
    table: (isWide) => {
      printTasks(session, [task], isWide);
      if (task.ranges === undefined || task.ranges.length === 0) return;
      session.terminal.print('');
      session.terminal.table(
        ['SLOTS', 'FROM', 'TO', 'STATE', 'MOVED', 'LEFT', 'TRIES', 'LAST ERROR'],
        task.ranges.map((range) => [
          range.slots,
          shardText(range.source),
          shardText(range.target),
          stateCell(range.state),
          String(range.moved),
          String(range.left),
          String(range.attempts),
          range.last_error,
        ]),
      );
    },
  });
}

/** All there is to say of one while it is waited for, in a line. */
export function progressText(task: TaskBody): string {
  const { id, kind, state, percent, slots, reason, slots_per_second: rate, removes } = task;
  const left = leftText(task);
  const parts = [
    `migration ${id} (${kind}): ${state}, ${percent}% (${slots.moved} of ${slots.total} slots)`,
    ...(rate === null ? [] : [`${rateText(task)} slots/s`]),
    ...(left === '' ? [] : [`${left} left`]),
    ...(state === 'succeeded' && removes.length > 0 ? [`shard ${removes.join(', ')} is being removed`] : []),
  ];
  return printable(`${parts.join(', ')}${reason === '' || state === 'succeeded' ? '' : `: ${reason}`}`);
}

function stateCell(state: string): Cell {
  const colour = COLOURS[state];
  return colour === undefined ? state : { text: state, colour };
}

/** Of a shard that is no more there is no index. */
function shardText(index: number | null): string {
  return index === null ? 'gone' : String(index);
}

function rateText({ slots_per_second: rate }: TaskBody): string {
  return rate === null ? '' : String(Math.round(rate * 10) / 10);
}

function leftText({ seconds_left: left }: TaskBody): string {
  if (left === null) return '';
  const [least, most] = [spanText(left.least), spanText(left.most)];
  return least === most ? least : `${least} to ${most}`;
}

/** `45s`, `3m20s`, `2h05m`. */
export function spanText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const [minutes, hours] = [Math.floor(whole / 60), Math.floor(whole / 3600)];
  const two = (value: number): string => String(value % 60).padStart(2, '0');
  return hours === 0 ? `${minutes}m${two(whole)}s` : `${hours}h${two(minutes)}m`;
}
