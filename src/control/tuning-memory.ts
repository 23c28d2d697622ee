// What is remembered of the settings of one node that a task changes: the last thing that was asked of it, and what came of it.

import type { Result } from '../base/result.ts';
import { equalTuning, type NodeTuning } from '../topology/tuning.ts';
import type { TuneAction } from './actions.ts';
import type { NodeError, NodeErrorKind } from './observation.ts';
import { retryDelayMs } from './settings.ts';

/** `step` as in the action: reading, setting what the task wants, setting what was before. */
export type TuningRequest = Pick<TuneAction, 'task' | 'step' | 'settings'>;

export interface TuningMemory {
  /** Null: nothing was asked, or what came of it does not count any more. */
  readonly request: TuningRequest | null;
  readonly isInFlight: boolean;
  /** What the node has for what was asked; null as long as it has not said so. */
  readonly found: NodeTuning | null;
  /** Times in a row that it did not come about, and those of them in which the node itself refused. */
  readonly failures: number;
  readonly refusals: number;
  readonly nextAtMs: number;
  /** What the last time ended with; null for success. */
  readonly error: NodeError | null;
}

export const NO_TUNING: TuningMemory = {
  request: null,
  isInFlight: false,
  found: null,
  failures: 0,
  refusals: 0,
  nextAtMs: -Infinity,
  error: null,
};

/** The node's own word, and it will be the same the next time. */
const REFUSALS: ReadonlySet<NodeErrorKind> = new Set([
  'refused',
  'malformedReply',
  'passwordRequired',
  'wrongPassword',
]);

export function isOfRequest({ request }: TuningMemory, wanted: TuningRequest): boolean {
  return (
    request !== null &&
    request.task === wanted.task &&
    request.step === wanted.step &&
    equalTuning(request.settings, wanted.settings)
  );
}

/** It is being asked; another request begins its count of failures anew. */
export function tuningBegun(before: TuningMemory, { task, step, settings }: TuneAction): TuningMemory {
  const request: TuningRequest = { task, step, settings };
  const known = isOfRequest(before, request) ? before : NO_TUNING;
  return { ...known, request, isInFlight: true, found: null };
}

/** Adds the end of a request. */
export function afterTune<Before extends { readonly tuning: TuningMemory }>(
  before: Before,
  { endedAtMs, result }: { readonly endedAtMs: number; readonly result: Result<NodeTuning, NodeError> },
): Before {
  const { tuning } = before;
  // The node was forgotten meanwhile, and with it what was asked.
  if (!tuning.isInFlight) return before;
  return { ...before, tuning: answered(tuning, endedAtMs, result) };
}

function answered(
  before: TuningMemory,
  endedAtMs: number,
  result: Result<NodeTuning, NodeError>,
): TuningMemory {
  if (result.ok) return { ...NO_TUNING, request: before.request, found: result.value };
  const failures = before.failures + 1;
  return {
    ...before,
    isInFlight: false,
    failures,
    refusals: REFUSALS.has(result.error.kind) ? before.refusals + 1 : 0,
    nextAtMs: endedAtMs + retryDelayMs(failures),
    error: result.error,
  };
}

/** What it said before counts no more: it may be a new process with the settings of its file, or have been so. */
export function tuningDoubted(before: TuningMemory): TuningMemory {
  return before.found === null ? before : NO_TUNING;
}
