// Waiting for a migration: how far it is goes to standard error; whoever stops waiting leaves it running.

import { setTimeout as delay } from 'node:timers/promises';

import type { Command } from 'commander';

import { EXIT, type ExitCode, Failure } from '../failure.ts';
import type { Session } from '../session.ts';
import { waitDuration } from '../durations.ts';
import { progressText, type TaskBody } from './task-view.ts';

/** Without a duration of its own; no migration that comes on at all takes that long. */
const WAIT_DEFAULT_MS = 30 * 86_400_000;
const POLL_MS = 500;
/** Between two lines that say how far it is. */
const LINE_MS = 1000;

export function withWaitFlag(command: Command): Command {
  return command.option('--wait [duration]', 'until it has ended, or for so long: 10m', waitDuration);
}

/** How long to wait, milliseconds; null when nobody wants to. */
export function waitOf({ wait }: Readonly<Record<string, unknown>>): number | null {
  if (typeof wait === 'number') return wait;
  return wait === true ? WAIT_DEFAULT_MS : null;
}

interface Wait {
  readonly id: number;
  readonly waitMs: number;
  /** Whether it has ended as it is wanted when it is cancelled. */
  readonly mayBeCancelled?: boolean;
}

/** The migration when it has ended well, shards that are to go included. Throws `Failure` when it ends otherwise, and when nobody waits any longer. */
export async function taskEnded(session: Session, wait: Wait): Promise<TaskBody> {
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  process.once('SIGINT', onSignal);
  try {
    return await watched(session, wait, interrupt.signal);
  } finally {
    process.off('SIGINT', onSignal);
  }
}

async function watched(session: Session, wait: Wait, signal: AbortSignal): Promise<TaskBody> {
  const { id, waitMs, mayBeCancelled = false } = wait;
  const endMs = performance.now() + waitMs;
  const interrupted = new Promise<null>((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
  let said = { text: '', atMs: -Infinity };
  for (;;) {
    const asked = await Promise.race([taskNow(session, id), interrupted]);
    if (asked === null) throw left(session, id, { code: EXIT.interrupted, why: 'interrupted' });
    const text = progressText(asked);
    const nowMs = performance.now();
    const ended = endOf(asked, mayBeCancelled);
    if (text !== said.text && (ended !== 'open' || nowMs - said.atMs >= LINE_MS)) {
      session.terminal.tell(text);
      said = { text, atMs: nowMs };
    }
    if (ended === 'well') return asked;
    if (ended === 'badly')
      throw new Failure(
        EXIT.failed,
        `migration ${id} ${asked.state === 'failed' ? 'has failed' : 'was cancelled'}: ${asked.reason}`,
      );
    if (nowMs >= endMs) {
      const why = `migration ${id} has not ended in time (${asked.percent}%)`;
      throw left(session, id, { code: EXIT.unknown, why });
    }
    await delay(Math.min(POLL_MS, endMs - nowMs), undefined, { signal }).catch(() => undefined);
  }
}

async function taskNow(session: Session, id: number): Promise<TaskBody> {
  try {
    return await taskOf(session, id);
  } catch (error) {
    if (error instanceof Failure && error.code === EXIT.unreachable)
      throw left(session, id, { code: error.code, why: error.message });
    throw error;
  }
}

export async function taskOf(session: Session, id: number): Promise<TaskBody> {
  const { data } = await session.client.get(session.path(`/migrations/${id}`));
  return (data as { migration: TaskBody }).migration;
}

function endOf({ state, removes }: TaskBody, mayBeCancelled: boolean): 'open' | 'well' | 'badly' {
  if (state === 'succeeded') return removes.length === 0 ? 'well' : 'open';
  if (state === 'cancelled') return mayBeCancelled ? 'well' : 'badly';
  return state === 'failed' ? 'badly' : 'open';
}

/** Why nobody waits any longer, and how somebody can again. */
function left(
  { namespace, cluster }: Session,
  id: number,
  { code, why }: { readonly code: ExitCode; readonly why: string },
): Failure {
  const command = `kvctl task show ${id} -n ${namespace} -c ${cluster} --wait`;
  return new Failure(code, `${why}; migration ${id} goes on without you: ${command}`);
}
