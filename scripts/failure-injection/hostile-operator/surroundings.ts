// What an action works on.

import type { Group } from '../group.ts';
import type { Fleet } from './fleet.ts';
import type { OperatorApi, Told } from './operator-api.ts';
import type { Excuse } from './verdicts.ts';

/** Between two looks at what another process does. */
export const POLL_MS = 50;

export interface Surroundings {
  readonly group: Group;
  readonly fleet: Fleet;
  readonly api: OperatorApi;
  /** Nodes that run and belong to no shard any more. */
  readonly spares: Set<string>;
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** Ends every wait. */
  readonly signal: AbortSignal;
  readonly excuse: (excuse: Excuse) => void;
  /** Into the timeline. */
  readonly note: (text: string) => void;
}

/** What the API said, into the timeline. */
export function tell(what: string, { words }: Told, { note }: Surroundings): void {
  note(`${what}: ${words.slice(0, 300)}`);
}
