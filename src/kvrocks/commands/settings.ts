// The settings of a node that decide what may be done with it.

import type { Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { CommandWords } from '../link.ts';
import type { Reply } from '../reply.ts';
import { integerOf } from './command.ts';
import { configGet, emptiesBeforeFullSync, yesNoOf } from './config-get.ts';

/** Null is unknown: a release without the setting, or one that does not let us ask. */
export interface NodeSettings {
  /** `slave-empty-db-before-fullsync`. */
  readonly emptiesBeforeFullSync: boolean | null;
  /** `persist-cluster-nodes-enabled`: without it a restart forgets the topology and keeps the data. */
  readonly persistsTopology: boolean | null;
  /** `slave-serve-stale-data`: without it a replica without a link answers nothing, SETNODES included (facts section 8). */
  readonly servesStaleData: boolean | null;
  /** `use-rsid-psync`: with it a diverged copy is noticed by the server itself (facts section 3.5). */
  readonly usesReplicationIds: boolean | null;
  readonly migrateType: string | null;
  /** Keys per second; 0 is no limit. */
  readonly migrateSpeed: number | null;
  readonly clientsMax: number | null;
}

const SETTINGS = [
  emptiesBeforeFullSync,
  configGet('persist-cluster-nodes-enabled'),
  configGet('slave-serve-stale-data'),
  configGet('use-rsid-psync'),
  configGet('migrate-type'),
  configGet('migrate-speed'),
  configGet('maxclients'),
] as const;

export const SETTINGS_WORDS: readonly CommandWords[] = SETTINGS.map(({ words }) => words);

/** Total: what cannot be read is unknown. */
export function parseSettings(replies: readonly Reply[]): NodeSettings {
  const values = SETTINGS.map((setting, index): Result<string | null, NodeError> => {
    const reply = replies[index] ?? { ok: false, error: 'no reply' };
    return setting.parse(reply);
  });
  const value = (index: number): Result<string | null, NodeError> =>
    values[index] ?? { ok: true, value: null };
  return {
    emptiesBeforeFullSync: yesNoOf(value(0)),
    persistsTopology: yesNoOf(value(1)),
    servesStaleData: yesNoOf(value(2)),
    usesReplicationIds: yesNoOf(value(3)),
    migrateType: textIn(value(4)),
    migrateSpeed: numberIn(value(5)),
    clientsMax: numberIn(value(6)),
  };
}

function textIn(value: Result<string | null, NodeError>): string | null {
  return value.ok ? value.value : null;
}

function numberIn(value: Result<string | null, NodeError>): number | null {
  return integerOf(textIn(value) ?? undefined);
}
