// What a finished look says of whether the node is there.

import type { NodeId } from '../topology/types.ts';
import type { EvidenceKind } from './evidence.ts';
import type { NodeReport, ProbeResult } from './observation.ts';

/** `why`: what was met instead of the node, or its own error, for people; empty for a report. */
export interface Sighting {
  readonly kind: EvidenceKind;
  readonly why: string;
}

/** One rule for whoever looks. Every reply of the node is a sign of life, be it an error. */
export function sightingOf(result: ProbeResult, id: NodeId): Sighting {
  if (result.kind === 'answered') {
    const { report } = result;
    if (!isAnotherNode(report, id)) return { kind: 'answered', why: '' };
    const why = `another node answers, ${report.id ?? ''} with a topology of version ${report.version}`;
    return { kind: 'stranger', why };
  }
  const { kind, message: why } = result.error;
  switch (kind) {
    case 'connectionRefused':
      return { kind: 'refused', why };
    case 'unreachable':
    case 'garbage':
    case 'timedOut':
    case 'connectionLost':
      return { kind: 'silent', why };
    case 'notKvrocks':
      return { kind: 'stranger', why };
    case 'ownFault':
      return { kind: 'ownFault', why };
    default:
      return { kind: 'answered', why };
  }
}

/** A topology of somebody else's: what answers is not our node. One without a topology may be ours on a new disk. */
export function isAnotherNode(report: NodeReport, id: NodeId): boolean {
  return report.id !== null && report.id !== id && report.version >= 0;
}
