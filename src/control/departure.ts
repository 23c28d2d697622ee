// What a node that has left its cluster still has to hear, and when that is over.

import type { CutOff, Departure } from '../topology/departure.ts';
import type { EventDraft } from '../topology/event.ts';
import type { ClusterFacts } from '../topology/facts.ts';
import { departureText } from '../topology/setnodes-text.ts';
import type { Cluster, ClusterVersion } from '../topology/types.ts';
import { type OwnData, ownDataOf } from './departed-data.ts';
import type { NodeReport, ProbeResult } from './observation.ts';

/** Everything that the next step for one departure depends on. */
export interface FarewellCase {
  readonly departure: Departure;
  /** A look that has just ended. */
  readonly look: ProbeResult;
  readonly cluster: Cluster;
  readonly facts: ClusterFacts;
  /** The cluster of this controller that has the node's id or its address now, for people; null when none has. */
  readonly owner: string | null;
  /** The version under which this leadership has told it, with success; null when it has not. */
  readonly toldVersion: number | null;
  /** It refused to be reset, since it has data. */
  readonly keepsData: boolean;
}

export type FarewellStep =
  /** Not now. */
  | { readonly kind: 'wait'; readonly why: string }
  /** To be written down before it is told. */
  | { readonly kind: 'note'; readonly cutOff: CutOff }
  | {
      readonly kind: 'tell';
      readonly text: string;
      readonly version: ClusterVersion;
      /** It has this version already and ignores an equal one (facts section 2.2). */
      readonly isForced: boolean;
      /** It has lost its id, as FORCE may bring about. */
      readonly isIdGiven: boolean;
    }
  | { readonly kind: 'reset' }
  /**
   * `detached`: it has heard, and what it was is remembered for the case that it comes back. `gone`: nothing is left to tell. `own`: what is
   * lost with it.
   */
  | { readonly kind: 'detached' | 'gone'; readonly why: string; readonly own: OwnData }
  /** It is not ours to tell. */
  | { readonly kind: 'left'; readonly why: string };

/**
 * The next step. A node that has left follows its old master for ever, and serves what it has, until it is told a topology in which it is a
 * master without slots (facts sections 2.4, 13.2). Nothing here takes data away: a node is only reset where the server itself finds none.
 *
 * Neither an open promotion nor a migration of the shard it has left holds that back: whoever is no member can neither be elected again nor
 * take slots over, so whatever it took from clients until it hears would be lost with it; and both ends of a migration cannot leave.
 */
export function farewellStep(found: FarewellCase): FarewellStep {
  const { departure, look, cluster, owner } = found;
  const { address } = departure;
  if (owner !== null) return { kind: 'left', why: `${address} belongs to ${owner} now` };
  if (look.kind === 'failed') return { kind: 'wait', why: look.error.message };
  const { report } = look;
  if (report.version < 0) return withoutTopology(found, report);
  const isCutOff = wasCutOff(report, departure.cutOff);
  if (report.id !== departure.id && !(report.id === null && isCutOff))
    return { kind: 'left', why: `${address} is node ${report.id ?? 'without an id'} now` };
  if (report.version > cluster.version) {
    const why = `it has version ${report.version}, ours is ${cluster.version}: somebody else manages it`;
    return { kind: 'left', why: `${address}: ${why}` };
  }
  const isTold = report.role === 'master' && report.version === found.toldVersion && report.id !== null;
  if (!isTold) return telling(found, report);
  if (!found.keepsData) return { kind: 'reset' };
  return {
    kind: 'detached',
    why: 'it was told so, keeps its data, follows nobody and turns its clients away',
    own: ownOf(found, report),
  };
}

/** What it had was taken from it by a reset of ours, whoever led then, or by somebody else. */
function withoutTopology(found: FarewellCase, report: NodeReport): FarewellStep {
  const { departure, toldVersion } = found;
  const wasTold = toldVersion !== null || departure.cutOff !== null;
  return {
    kind: 'gone',
    why: wasTold
      ? 'it was told so, is empty and was reset'
      : 'it has no topology any more, so that nothing is left to tell',
    own: ownOf(found, report),
  };
}

function ownOf({ departure, cluster, facts }: FarewellCase, { sequence }: NodeReport): OwnData {
  const before = departure.cutOff?.before ?? null;
  return ownDataOf(departure, { before, sequence }, { cluster, facts });
}

function telling({ departure, cluster, facts }: FarewellCase, report: NodeReport): FarewellStep {
  const { cutOff } = departure;
  if (facts.observedSinceSeconds !== null)
    return { kind: 'wait', why: 'this group was made out of a backup, and the cluster is not accepted yet' };
  if (facts.contestedVersion !== null)
    return { kind: 'wait', why: 'pushes are held, since somebody else pushes to this cluster, too' };
  // What ends in its midst leaves a replica without data that dies of being asked (facts section 3.4).
  if (report.syncInProgress)
    return { kind: 'wait', why: 'it is in a full synchronisation, and is told when that has ended' };
  if (report.sourceJob?.state === 'start' || report.targetJob?.state === 'start')
    return { kind: 'wait', why: 'somebody moves slots there, and it is told when that has ended' };
  const { version, role, master } = report;
  const before = cutOff !== null && wasCutOff(report, cutOff) ? cutOff.before : { version, role, master };
  if (cutOff?.version !== cluster.version || !isSame(cutOff.before, before))
    return { kind: 'note', cutOff: { version: cluster.version, before } };
  return {
    kind: 'tell',
    text: departureText(cluster, departure),
    version: cluster.version,
    isForced: version === cluster.version,
    isIdGiven: report.id === null,
  };
}

function isSame(left: CutOff['before'], right: CutOff['before']): boolean {
  return left.version === right.version && left.role === right.role && left.master === right.master;
}

/** Whether what a node says of itself is what it was told when it left. */
export function wasCutOff(
  { version, role }: Pick<NodeReport, 'version' | 'role'>,
  cutOff: CutOff | null,
): boolean {
  return cutOff !== null && role === 'master' && version === cutOff.version;
}

export type FarewellEnd = Extract<FarewellStep, { readonly kind: 'detached' | 'gone' | 'left' }>;

/** The event that ends a departure. */
export function endOf({ id, address }: Departure, step: FarewellEnd): EventDraft {
  if (step.kind === 'left')
    return {
      kind: 'departureForgotten',
      text: `node ${address} was not told that it left: ${step.why}`,
      node: id,
      lost: null,
    };
  const { lost, text } = step.own;
  const said = [`node ${address} has left the cluster: ${step.why}`, text].filter((part) => part !== '');
  return { kind: 'nodeDetached', text: said.join('. '), node: id, lost };
}
