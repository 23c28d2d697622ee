// Many seeds over several processes, added up.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { Verdict } from './run.ts';
import type { Answer, Task } from './worker.ts';

export interface SweepOptions {
  readonly from: number;
  readonly count: number;
  readonly workers: number;
  /** Begins no more seeds after this many milliseconds. */
  readonly durationMsMax: number;
  /** Begins no more seeds after this many failures. */
  readonly failuresMax: number;
  /** Called now and then with what was added up so far. */
  readonly onProgress: (totals: Totals) => void;
  /** Called with every verdict that is not clean. */
  readonly onFailure: (verdict: Verdict) => void | Promise<void>;
}

/** Sums over all seeds that ran. */
export interface Totals {
  seeds: number;
  failures: number;
  events: number;
  /** Virtual milliseconds of whole groups. */
  virtualMs: number;
  writes: number;
  failovers: number;
  switchovers: number;
  leaders: number;
  replacements: number;
  moves: number;
  tasks: number;
}

/** Seeds a worker is given at once. */
const TASK_SEEDS = 8;

/** Runs `count` seeds from `from` on; resolves with the sums when all have ended, or a limit was reached. */
export async function sweep(options: SweepOptions): Promise<Totals> {
  const totals: Totals = {
    seeds: 0,
    failures: 0,
    events: 0,
    virtualMs: 0,
    writes: 0,
    failovers: 0,
    switchovers: 0,
    leaders: 0,
    replacements: 0,
    moves: 0,
    tasks: 0,
  };
  const endMs = performance.now() + options.durationMsMax;
  const end = options.from + options.count;
  let next = options.from;
  const takeTask = (): Task | null => {
    if (next >= end || performance.now() > endMs || totals.failures >= options.failuresMax) return null;
    const length = Math.min(TASK_SEEDS, end - next);
    const first = next;
    next += length;
    return { seeds: Array.from({ length }, (_, place) => first + place) };
  };
  // Whoever shows a failure runs its seed again, and one runs at a time in a process.
  let shown = Promise.resolve();
  const take = async (answer: Answer): Promise<void> => {
    for (const verdict of answer) {
      add(totals, verdict);
      if (verdict.violation === null) continue;
      shown = shown.then(() => options.onFailure(verdict));
      await shown;
    }
    options.onProgress(totals);
  };
  await Promise.all(Array.from({ length: options.workers }, () => work(takeTask, take)));
  return totals;
}

/** One worker process from its start to its end. */
async function work(takeTask: () => Task | null, take: (answer: Answer) => Promise<void>): Promise<void> {
  // The flags of this process go along: a planted bug is one of them.
  const child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), { serialization: 'advanced' });
  const ended = once(child, 'exit');
  try {
    for (let task = takeTask(); task !== null; task = takeTask()) await take(await ask(child, task));
  } finally {
    if (child.connected) child.disconnect();
    await ended;
  }
}

function ask(child: ChildProcess, task: Task): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void =>
      reject(new Error(`a worker ended with code ${code} while running seeds from ${task.seeds[0]}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as Answer);
    });
    child.send(task);
  });
}

function add(totals: Totals, verdict: Verdict): void {
  totals.seeds += 1;
  totals.events += verdict.events;
  totals.virtualMs += verdict.virtualMs;
  totals.writes += verdict.writes;
  totals.failovers += verdict.failovers;
  totals.switchovers += verdict.switchovers;
  totals.leaders += verdict.leaders;
  totals.replacements += verdict.replacements;
  totals.moves += verdict.moves;
  totals.tasks += verdict.tasks;
  if (verdict.violation !== null) totals.failures += 1;
}
