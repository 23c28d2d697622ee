// How the ends of acts at a node change what is remembered of it: pushes, outruns, fences, questions to others, and wishes of people.

import type { Result } from '../base/result.ts';
import type { InquiryMemory, NodeMemory, PushMemory } from './node-memory.ts';
import type { NodeError } from './observation.ts';
import { retryDelayMs } from './settings.ts';

/** Adds the end of a push. */
export function afterPush(
  before: NodeMemory,
  { endedAtMs, result }: { readonly endedAtMs: number; readonly result: Result<void, NodeError> },
): NodeMemory {
  const { purpose, version } = before.push;
  const push: PushMemory = {
    ...before.push,
    inFlightSinceMs: null,
    endedAtMs,
    nextAtMs: endedAtMs + retryDelayMs(before.push.attempts),
    error: result.ok ? null : result.error,
  };
  const isIsolated = purpose === 'isolation' && result.ok;
  const isolatedAt = isIsolated ? version : null;
  const drainedAt = purpose === 'drain' && result.ok ? version : null;
  const imported = result.ok ? null : before.imported;
  const foreign = result.ok ? { foreignVersion: null, foreignBefore: null } : {};
  return { ...before, ...foreign, push, imported, drainedAt, remake: { ...before.remake, isolatedAt } };
}

/** Adds that somebody asked for the topology to be told again: nothing waits for the pause after a failure any more. */
export function afterAsked(before: NodeMemory, atMs: number): NodeMemory {
  const nextAtMs = -Infinity;
  return {
    ...before,
    push: { ...before.push, askedAtMs: atMs, nextAtMs },
    remake: { ...before.remake, nextAtMs },
    fence: { ...before.fence, nextAtMs },
  };
}

/** Adds that nobody waits for that any more. */
export function afterAskedEnd(before: NodeMemory): NodeMemory {
  return before.push.askedAtMs === null ? before : { ...before, push: { ...before.push, askedAtMs: null } };
}

/** Adds the end of a step of outrunning; where it led is seen by the next look. */
export function afterOutrun(
  before: NodeMemory,
  { endedAtMs, result }: { readonly endedAtMs: number; readonly result: Result<void, NodeError> },
): NodeMemory {
  return {
    ...before,
    remake: {
      ...before.remake,
      isOutrunInFlight: false,
      nextAtMs: result.ok ? endedAtMs : endedAtMs + retryDelayMs(3),
      error: result.ok ? null : result.error,
      outrunTo: before.remake.outrunTo ?? 0,
      sawFullSync: false,
    },
  };
}

/** Adds what some members answered; `isOver`: no more will, and nobody is to be asked again before `nextAtMs`. */
export function afterInquiry(
  before: NodeMemory,
  {
    isOver,
    ...ended
  }: Pick<InquiryMemory, 'words' | 'endedAtMs' | 'nextAtMs'> & { readonly isOver: boolean },
): NodeMemory {
  const { words } = ended;
  const heard = new Set(words.map(({ observer }) => observer));
  const kept = before.inquiry.words.filter(({ observer }) => !heard.has(observer));
  return { ...before, inquiry: { ...ended, isInFlight: !isOver, words: [...kept, ...words] } };
}

/** Adds the end of an attempt to fence it; whether the fence stands is seen by the next look. */
export function afterFence(
  before: NodeMemory,
  { endedAtMs, result }: { readonly endedAtMs: number; readonly result: Result<void, NodeError> },
): NodeMemory {
  const error = result.ok ? null : result.error;
  return { ...before, fence: { isInFlight: false, nextAtMs: endedAtMs + retryDelayMs(1), error } };
}
