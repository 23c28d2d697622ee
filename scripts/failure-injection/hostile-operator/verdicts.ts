// What was found, put beside what was done: losses that are excused and those that are not, per kind of action, and words for it all. Pure.

import type { Write } from './ledger.ts';

/** Replication is asynchronous: what a master acknowledged so shortly before it went may go with it. */
export const LOSS_WINDOW_MS = 1500;
/** A master that was replaced while it was away takes writes again until it is told. */
export const RETURN_WINDOW_MS = 1500;

export type ExcuseKind = 'death' | 'hang' | 'wipe' | 'cut' | 'return';

/** Why writes that a node acknowledged from `fromMs` to `toMs` may be lost. */
export interface Excuse {
  readonly kind: ExcuseKind;
  readonly node: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The node went between these times. A failover by hand of a living master excuses nothing. */
export function excuseBefore(
  kind: Exclude<ExcuseKind, 'return'>,
  node: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Excuse {
  return { kind, node, fromMs: fromMs - LOSS_WINDOW_MS, toMs };
}

/** The node runs again since `atMs`. */
export function excuseAfterReturn(node: string, atMs: number): Excuse {
  return { kind: 'return', node, fromMs: atMs, toMs: atMs + RETURN_WINDOW_MS };
}

/** The first excuse that covers the write; null when there is none. */
export function excuseOf(write: Write, excuses: readonly Excuse[]): Excuse | null {
  const covers = ({ node, fromMs, toMs }: Excuse): boolean =>
    node === write.node && fromMs <= write.atMs && write.atMs <= toMs;
  return excuses.find((excuse) => covers(excuse)) ?? null;
}

/** What one action did and what was found when everything had settled after it. */
export interface ActionReport {
  readonly kind: string;
  readonly text: string;
  readonly beganMs: number;
  readonly endedMs: number;
  /** What this action excuses; earlier ones excuse nothing, for what is lost now was still there after them. */
  readonly excuses: readonly Excuse[];
  /** Writes found missing. */
  readonly lost: readonly Write[];
  /** Replicas that differ from their master, and did not before in as many keys. */
  readonly differing: readonly ReplicaDifference[];
  /** Nothing else can be said of the state after it. */
  readonly unsettled: string | null;
}

export interface ReplicaDifference {
  readonly master: string;
  readonly replica: string;
  readonly keyCount: number;
  /** A few of the keys, with both values. */
  readonly examples: readonly string[];
}

export interface Judgement {
  readonly problems: readonly string[];
  readonly lostCount: number;
  /** Lost writes by what excuses them. */
  readonly excused: Readonly<Record<ExcuseKind, number>>;
  readonly table: readonly (readonly string[])[];
}

/** Lines of the timeline that belong to lost writes are those that begin within this time around them. */
const TIMELINE_MARGIN_MS = 5000;
const TIMELINE_LINES_MAX = 30;

export interface TimelineEntry {
  readonly atMs: number;
  readonly text: string;
}

/** Judges a whole run. */
export function judge(run: {
  readonly actions: readonly ActionReport[];
  readonly timeline: readonly TimelineEntry[];
}): Judgement {
  const { actions, timeline } = run;
  const problems: string[] = [];
  const excused = { death: 0, hang: 0, wipe: 0, cut: 0, return: 0 };
  let lostCount = 0;
  for (const action of actions) {
    const lost: Write[] = [];
    for (const write of action.lost) {
      const excuse = excuseOf(write, action.excuses);
      if (excuse === null) lost.push(write);
      else excused[excuse.kind] += 1;
    }
    lostCount += lost.length;
    if (lost.length > 0) problems.push(tellLosses(action, lost, timeline));
    for (const difference of action.differing) problems.push(tellDifference(action, difference));
    if (action.unsettled !== null) problems.push(`unsettled after "${action.text}": ${action.unsettled}`);
  }
  return { problems, lostCount, excused, table: figures(actions) };
}

function tellLosses(
  action: ActionReport,
  lost: readonly Write[],
  timeline: readonly TimelineEntry[],
): string {
  const sorted = lost.toSorted((left, right) => left.atMs - right.atMs);
  const [first] = sorted;
  const last = sorted.at(-1);
  const fromMs = first?.atMs ?? action.beganMs;
  const toMs = last?.atMs ?? action.endedMs;
  const nodes = [...new Set(lost.map(({ node }) => node))].join(', ');
  const lines = timeline.filter(({ atMs }) => atMs >= fromMs - TIMELINE_MARGIN_MS && atMs <= action.endedMs);
  return [
    `${lost.length} acknowledged writes are gone after "${action.text}"`,
    `  acknowledged by ${nodes} from ${seconds(fromMs)} to ${seconds(toMs)}; the first: ${first?.key ?? ''} = ${first?.value ?? ''}`,
    ...lines.slice(-TIMELINE_LINES_MAX).map(({ atMs, text }) => `  ${seconds(atMs)}  ${text}`),
  ].join('\n');
}

function tellDifference(action: ActionReport, difference: ReplicaDifference): string {
  const { replica, master, keyCount, examples } = difference;
  return `${replica} differs from its master ${master} in ${keyCount} keys after "${action.text}": ${examples.join('; ')}`;
}

/** One row a kind of action, a heading first. */
function figures(actions: readonly ActionReport[]): readonly (readonly string[])[] {
  const kinds = [...new Set(actions.map(({ kind }) => kind))].sort();
  const rows = kinds.map((kind) => {
    const own = actions.filter((action) => action.kind === kind);
    const lostCount = own.reduce((sum, { lost }) => sum + lost.length, 0);
    const unexcusedCount = own.reduce((sum, action) => sum + unexcusedOf(action).length, 0);
    return [
      kind,
      String(own.length),
      String(unexcusedCount),
      String(lostCount - unexcusedCount),
      String(own.reduce((sum, action) => sum + keysDiffering(action), 0)),
      String(own.filter(({ unsettled }) => unsettled !== null).length),
    ];
  });
  return [['action', 'times', 'lost', 'lost in the windows', 'keys that differ', 'unsettled'], ...rows];
}

function unexcusedOf({ lost, excuses }: ActionReport): readonly Write[] {
  return lost.filter((write) => excuseOf(write, excuses) === null);
}

function keysDiffering({ differing }: ActionReport): number {
  return differing.reduce((sum, { keyCount }) => sum + keyCount, 0);
}

/** `hang 89, return 26`. */
export function describeExcused(excused: Judgement['excused']): string {
  return Object.entries(excused)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}

/** `+12.345s` since the beginning of the run. */
function seconds(atMs: number): string {
  return `+${(atMs / 1000).toFixed(3)}s`;
}
