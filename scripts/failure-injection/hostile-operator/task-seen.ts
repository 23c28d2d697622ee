// Migrations as the API shows them.

import { z } from 'zod';

/** A task: what was asked for, and how far it is. */
export interface TaskSeen {
  readonly id: number;
  readonly kind: string;
  readonly state: 'pending' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';
  /** Why it ended or does not go on; empty where there is nothing to say. */
  readonly reason: string;
  readonly moved: number;
  readonly total: number;
  /** Jobs that failed and were tried again. */
  readonly retries: number;
  /** Jobs under way, with the indexes of their shards. */
  readonly running: readonly { readonly source: number | null; readonly target: number | null }[];
}

const TASK = z
  .object({
    id: z.number(),
    kind: z.string(),
    state: z.enum(['pending', 'running', 'paused', 'succeeded', 'failed', 'cancelled']),
    reason: z.string(),
    slots: z.object({ total: z.number(), moved: z.number() }),
    retries: z.number(),
    running: z.array(z.object({ source: z.number().nullable(), target: z.number().nullable() })),
  })
  .transform(({ slots, ...rest }): TaskSeen => ({ ...rest, ...slots }));

const LIST_ANSWER = z.object({ data: z.object({ migrations: z.array(TASK) }) });

/** Nobody asks for these: one slot that leaves its shard for a moment, and comes back. */
const UNASKED = new Set(['lend', 'giveBack']);

/** The newest first; null for an answer of another shape. */
export function parseTasks(text: string): readonly TaskSeen[] | null {
  const parsed = LIST_ANSWER.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data.data.migrations : null;
}

export function hasEnded({ state }: TaskSeen): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** The newest that somebody asked for; null when there is none. */
export function newestAsked(tasks: readonly TaskSeen[]): TaskSeen | null {
  return tasks.find(({ kind }) => !UNASKED.has(kind)) ?? null;
}

export function describeTask({ id, kind, state, reason, moved, total, retries }: TaskSeen): string {
  const why = reason === '' ? '' : `: ${reason}`;
  return `migration ${id} (${kind}) ${state}, ${moved} of ${total} slots moved, ${retries} retries${why}`;
}
