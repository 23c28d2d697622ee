// The table of everything that can be wrong with a cluster, with the words people read about it.

import type { NodeAddress, NodeId } from '../topology/types.ts';

export type ProblemKind =
  | 'masterUnreachable'
  | 'replicaUnreachable'
  | 'nodeLoading'
  | 'passwordRefused'
  | 'clusterDisabled'
  | 'notKvrocks'
  | 'nodeRefuses'
  | 'replicaRefusesStale'
  | 'foreignNode'
  | 'foreignVersion'
  | 'versionContested'
  | 'notConverged'
  | 'replicaLinkDown'
  | 'slotsWriteForbidden'
  | 'unknownJob'
  | 'slotsUncovered'
  | 'migrationWaiting'
  | 'storeUnavailable';

/** `critical`: clients are affected now. `error`: somebody must act. `warning`: safety margin is gone. `info`: will pass. */
export type Severity = 'critical' | 'error' | 'warning' | 'info';

export interface Problem {
  readonly kind: ProblemKind;
  readonly shardIndex: number | null;
  readonly node: NodeId | null;
  readonly address: NodeAddress | null;
  /** The particulars, one or more sentences. */
  readonly detail: string;
}

export interface ProblemEntry {
  readonly severity: Severity;
  readonly title: string;
  /** When it is reported. */
  readonly when: string;
  readonly remedy: string;
}

export const PROBLEMS = {
  masterUnreachable: {
    severity: 'critical',
    title: 'Master unreachable, no eligible replica',
    when: 'A master missed its probes and no replica may take over (yet); the detail says why for each.',
    remedy: 'Bring the master back, or fail over by hand to a replica whose loss you accept.',
  },
  replicaUnreachable: {
    severity: 'warning',
    title: 'Replica unreachable',
    when: 'A replica missed its probes.',
    remedy: 'Start the node or repair the network; it rejoins by itself. Else remove it from the shard.',
  },
  nodeLoading: {
    severity: 'info',
    title: 'Node is loading its data',
    when: 'A node answers LOADING, as during a full synchronisation.',
    remedy: 'Wait. It is neither failed over nor promoted meanwhile.',
  },
  passwordRefused: {
    severity: 'error',
    title: 'Password refused',
    when: 'A node wants a password, wants another one, or wants none.',
    remedy: 'Make the password of the node and the one recorded for it equal.',
  },
  clusterDisabled: {
    severity: 'error',
    title: 'Cluster mode is off',
    when: 'A node says that cluster mode is not enabled.',
    remedy: 'Set "cluster-enabled yes" in its configuration and restart it.',
  },
  notKvrocks: {
    severity: 'error',
    title: 'Not a Kvrocks node',
    when: 'What answers at the address is not Kvrocks.',
    remedy: 'Check the address and what listens there.',
  },
  nodeRefuses: {
    severity: 'error',
    title: 'Node answers with errors',
    when: 'A node answers probes with an unexpected error or an unreadable reply.',
    remedy: 'Read the detail and the log of the node.',
  },
  replicaRefusesStale: {
    severity: 'warning',
    title: 'Replica refuses everything without its master',
    when: 'A replica with "slave-serve-stale-data no" lost its master; it cannot even be promoted.',
    remedy: 'Set "slave-serve-stale-data yes" on the nodes; until then only the return of the master helps.',
  },
  foreignNode: {
    severity: 'error',
    title: 'Another node at this address',
    when: 'The node has a topology and another id than the one recorded. It is left alone.',
    remedy: 'Reset the node (CLUSTER RESET) to let it join, or remove it here and add it again.',
  },
  foreignVersion: {
    severity: 'error',
    title: 'Topology version out of bounds',
    when: 'A node reports a version too high to be put above it. It is left alone.',
    remedy: 'Find out who pushed it; then push the right topology by hand with FORCE, or reset the node.',
  },
  versionContested: {
    severity: 'error',
    title: 'Somebody else pushes topologies',
    when: 'The version had to be raised again and again without lasting effect.',
    remedy: 'Make sure that only one controller and no script manages these nodes.',
  },
  notConverged: {
    severity: 'warning',
    title: 'Node does not take the topology',
    when: 'Several pushes did not bring the node to the committed version and role. They go on.',
    remedy: 'Read the detail and the log of the node.',
  },
  replicaLinkDown: {
    severity: 'warning',
    title: 'Replica has no link to its master',
    when: 'The master answers and the replica follows it, but its link is down; it could not take over now.',
    remedy: 'Check "masterauth" and the network between the two.',
  },
  slotsWriteForbidden: {
    severity: 'error',
    title: 'Slots refuse writes',
    when: 'A master still counts slots it owns as just moved away and answers TRYAGAIN to writes.',
    remedy: 'Restart the node, or migrate any other slot out of it: either clears the mark.',
  },
  unknownJob: {
    severity: 'warning',
    title: 'Unrecorded migration',
    when: 'A master moves slots although no migration is recorded. Neither end gets a new topology until it has ended.',
    remedy:
      'Start migrations through the controller only; give it the same slots to move once this one has failed or ended.',
  },
  slotsUncovered: {
    severity: 'warning',
    title: 'Slots without an owner',
    when: 'No shard owns some slots.',
    remedy: 'Give them to a shard.',
  },
  migrationWaiting: {
    severity: 'info',
    title: 'Migration is waiting',
    when: 'A migration cannot go on now; the detail says for what it waits.',
    remedy: 'None while it is short; else remove what it waits for.',
  },
  storeUnavailable: {
    severity: 'error',
    title: 'Decision cannot be recorded',
    when: 'A decision could not be committed several times in a row.',
    remedy: 'Check that a majority of the controllers runs.',
  },
} as const satisfies Record<ProblemKind, ProblemEntry>;

/** The same for the same problem at the same place: tells a new problem from a lasting one. */
export function problemKey(problem: Problem): string {
  return `${problem.kind}/${problem.shardIndex ?? ''}/${problem.node ?? ''}`;
}
