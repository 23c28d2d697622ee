// What is told of a backup, in the form of the API.

import type { Finding } from './audit.ts';

/** Passwords, and whatever else records hold, are never in it. */
export interface BackupReport {
  readonly backup: {
    readonly format: number;
    readonly bytes: number;
    readonly index: number;
    readonly term: number;
    readonly members: readonly {
      readonly id: number;
      readonly addr: string;
      readonly role: 'voter' | 'learner';
    }[];
    /** Null where this release cannot read it. */
    readonly feature_level: number | null;
    /** The file has no date of its own; it was written no earlier than this. Null without events. */
    readonly newest_event_at: string | null;
    readonly namespaces: number;
    readonly clusters: number;
    readonly shards: number;
    readonly nodes: number;
    readonly open_tasks: number;
    readonly events: number;
  };
  readonly finding_count: number;
  /** The first hundred, in the order of keys. */
  readonly findings: readonly Finding[];
}

/** Findings that are told in one sentence. */
const TOLD_MAX = 10;

/** What is wrong, a line each; empty when nothing is. */
export function findingLines({ findings, finding_count: count }: BackupReport): readonly string[] {
  const told = findings.slice(0, TOLD_MAX).map(({ key, text }) => `${key}: ${text}`);
  return count > told.length ? [...told, `and ${count - told.length} more`] : told;
}
