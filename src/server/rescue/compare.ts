// Data directories of the members of one group side by side: which knows most, and what to do with it.

import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { allMembers } from '../../raft/core/membership.ts';
import type { LogPosition } from '../../raft/core/types.ts';
import { holdCopy } from '../../store/level-open.ts';
import { lookAt } from './look.ts';

/** In the form of JSON. */
export interface DirectoryReport {
  readonly directory: string;
  readonly member: number;
  /** The id of its group. */
  readonly group: string;
  readonly members: readonly number[];
  readonly term: number;
  readonly last: { readonly term: number; readonly index: number };
  /** Up to here everything is known to be committed. */
  readonly committed: number;
  readonly snapshot: number | null;
  readonly feature_level: number | null;
  readonly namespaces: number;
  readonly clusters: number;
  /** Records that contradict others, or cannot be read. */
  readonly finding_count: number;
}

export interface Unreadable {
  readonly directory: string;
  /** Why a member would not start with it. */
  readonly problem: string;
}

export interface Comparison {
  readonly directories: readonly (DirectoryReport | Unreadable)[];
  /** The directory that knows most; null where none can be read, or they are of several groups. */
  readonly highest: string | null;
}

/** Reads all of them; nothing in them is changed, and they may be copies. Of two that know as much the first one is the highest. */
export async function compareDirectories(directories: readonly string[]): Promise<Comparison> {
  const reports: (DirectoryReport | Unreadable)[] = [];
  for (const directory of directories) reports.push(await reportOn(directory));
  const whole = reports.filter((report) => isWhole(report));
  const isOneGroup = new Set(whole.map(({ group }) => group)).size === 1;
  const highest = isOneGroup
    ? whole.reduce((most, each) => (isFurther(each.last, most.last) ? each : most)).directory
    : null;
  return { directories: reports, highest };
}

export function isWhole(report: DirectoryReport | Unreadable): report is DirectoryReport {
  return 'group' in report;
}

/** As voters compare logs. */
function isFurther(one: DirectoryReport['last'], other: DirectoryReport['last']): boolean {
  return one.term === other.term ? one.index > other.index : one.term > other.term;
}

async function reportOn(directory: string): Promise<DirectoryReport | Unreadable> {
  if (!existsSync(directory)) return { directory, problem: 'there is no such directory' };
  try {
    const copy = await copyPosition(join(directory, 'state'));
    const { survey, audit } = await lookAt(directory, { memberId: null, copy });
    const { identity, membership, last } = survey;
    return {
      directory,
      member: identity.memberId,
      group: identity.clusterId,
      members: allMembers(membership),
      term: survey.term,
      last: { term: last.term, index: last.index },
      committed: survey.committed,
      snapshot: survey.snapshot,
      feature_level: audit.featureLevel,
      namespaces: audit.counts.namespaces,
      clusters: audit.counts.clusters,
      finding_count: audit.findingCount,
    };
  } catch (error) {
    return { directory, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** How far the state's copy is. LevelDB writes whenever it opens a database, so a copy of that is opened, and gone afterwards. */
async function copyPosition(state: string): Promise<LogPosition | null> {
  if (!existsSync(state)) return null;
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-'));
  try {
    const copied = join(folder, 'state');
    cpSync(state, copied, { recursive: true });
    const held = await holdCopy(copied);
    if (!held.ok) return null;
    await held.value.release();
    return held.value.position;
  } catch {
    // Less is known to be committed then; the log tells all the rest.
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
