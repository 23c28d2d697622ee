// The table of everything that can be wrong with a cluster, with the words people read about it.

import type { NodeAddress, NodeId } from '../topology/types.ts';

export type ProblemKind =
  | 'masterUnreachable'
  | 'masterDataLost'
  | 'ownFault'
  | 'copyNotProven'
  | 'replicaBehind'
  | 'emptiesBeforeFullSync'
  | 'diskFull'
  | 'tooManyClients'
  | 'unrecordedHandOver'
  | 'migrationSlow'
  | 'replicaUnreachable'
  | 'nodeLoading'
  | 'passwordRefused'
  | 'clusterDisabled'
  | 'nodeRefuses'
  | 'replicaRefusesStale'
  | 'foreignNode'
  | 'foreignVersion'
  | 'versionContested'
  | 'clusterObserved'
  | 'notConverged'
  | 'masterUnconfirmed'
  | 'replicaLinkDown'
  | 'slotsWriteForbidden'
  | 'unknownJob'
  | 'slotsUncovered'
  | 'migrationWaiting'
  | 'taskWaiting'
  | 'settingsKept'
  | 'storeUnavailable'
  | 'failoverRestrained'
  | 'failoverPaused'
  | 'massFailure'
  | 'nodeInMaintenance'
  | 'copiesMissing'
  | 'sparesMissing'
  | 'leaseExpired'
  | 'departedUntold';

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
    when: 'A master is not there, or was promoted and cannot be told, and no replica may take over (yet); the detail says why for each.',
    remedy:
      'Bring the master back. If it is lost for good, POST .../shards/{shard}/failover with "force": true promotes the best copy left, and the log says what may be lost; docs/operations.md, "A shard has no master".',
  },
  masterDataLost: {
    severity: 'critical',
    title: 'Master has lost its data',
    when: 'What answers as the master stands behind what was seen of it, as after an exchange of its disk, or a new one may have copied a stranger before it was told. Told also where a replica takes over at once, as the detail says then.',
    remedy:
      'Nothing where a replica takes over. Else: if the old disk exists, start the node on it. Is a replica with the data away, start it: it takes over by itself (unless the detail says that replicas are kept from copying this node, stop this one first). Else POST .../shards/{shard}/failover with "force": true: the best replica that answers takes over; with the id of this master as "preferred_node_id" it is accepted as it is, without the lost data.',
  },
  ownFault: {
    severity: 'error',
    title: 'This controller cannot look at a node',
    when: 'The fault is on this side: no file descriptors, no route, a name that cannot be resolved. It is never counted against the node.',
    remedy:
      'Read the detail; raise the limit of open files, repair routes or name service of this controller.',
  },
  copyNotProven: {
    severity: 'warning',
    title: 'Copy is made anew',
    when: 'A node has data its master never had, or nothing proves what it has. It cannot take over and is brought to a full synchronisation.',
    remedy:
      'Wait. If the detail says that it is kept aside: save what you need of it (docs/operations.md), then POST .../nodes/{id}/resync; or stop the node, empty its data directory, start it again: it then joins by itself.',
  },
  replicaBehind: {
    severity: 'warning',
    title: 'Replica lags behind',
    when: 'A replica with a living link lacks more than controller.failover.max_lag numbers, or something its master had 1.5 s ago. It could not take over now.',
    remedy:
      'Check the disk and the load of the replica; one that does not move at all has to be restarted or replaced.',
  },
  emptiesBeforeFullSync: {
    severity: 'warning',
    title: 'Replica drops its data before a full synchronisation',
    when: 'A node has "slave-empty-db-before-fullsync yes": when its master dies during a full synchronisation, it has nothing left and can crash when asked.',
    remedy: 'CONFIG SET slave-empty-db-before-fullsync no on the node, and in its configuration file.',
  },
  diskFull: {
    severity: 'error',
    title: 'Disk of a node is nearly full',
    when: 'At least 95 % of the volume of a node are in use, asked every half minute. On a full one writes fail or hang, while the node answers everything else and is not replaced.',
    remedy:
      'Make room on the volume or enlarge it. A master whose writes fail already: fail over to a replica that has room, then mend it.',
  },
  tooManyClients: {
    severity: 'error',
    title: 'Node takes no more connections',
    when: 'A node answers new connections with "max number of clients reached". It lives and is not replaced for that.',
    remedy:
      'Close clients, or raise "maxclients" over a connection that is open (CONFIG SET maxclients): new ones are refused to everybody. Else raise it in the configuration file and restart the node.',
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
    remedy:
      'Set it on the node (requirepass, masterauth), or record the one it has: PATCH .../clusters/{cluster} or .../nodes/{id} with "password".',
  },
  clusterDisabled: {
    severity: 'error',
    title: 'Cluster mode is off',
    when: 'A node says that cluster mode is not enabled. It finds nothing of what the cluster wrote, and takes writes of anybody that cannot be read once it is back.',
    remedy:
      'Set "cluster-enabled yes" in its configuration and restart it; a replica is then made anew by itself. A master is not replaced for this: POST .../shards/{shard}/failover with "force": true promotes a replica meanwhile.',
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
    remedy:
      'Set "slave-serve-stale-data yes" in the configuration file of the node and restart it: it refuses CONFIG SET, too. Else only the return of the master helps.',
  },
  foreignNode: {
    severity: 'error',
    title: 'Another node at this address',
    when: 'What answers there has another id and a topology of its own, or is no Kvrocks: the recorded node is not there. It is left alone.',
    remedy: 'Start the right node there, or remove it here and add it again under its new address.',
  },
  foreignVersion: {
    severity: 'error',
    title: 'Topology version out of bounds',
    when: 'A node reports a version too high to be put above it. It is left alone.',
    remedy:
      'Find out who pushed it; then push the right topology by hand under a low version with FORCE (docs/operations.md has the command), or start a replica on a new data directory.',
  },
  versionContested: {
    severity: 'error',
    title: 'Somebody else pushes topologies',
    when: 'Topologies of somebody else had to be overruled again and again, by a higher version or by FORCE. Nothing is pushed to this cluster any more, except to a master that replaces a dead one.',
    remedy:
      'Make sure that only this controller group and no script manages these nodes, then confirm it: POST .../clusters/{cluster}/sync.',
  },
  clusterObserved: {
    severity: 'error',
    title: 'The cluster is only looked at',
    when: 'The group of controllers was made out of a backup. Its nodes may have become something else since: nothing is told to them, nothing is replaced and no slots are moved.',
    remedy:
      'Compare it with its nodes: GET .../clusters/{cluster}/check. Then accept it as it is recorded, POST .../clusters/{cluster}/accept; or delete it, which tells its nodes nothing, and import it from them.',
  },
  notConverged: {
    severity: 'warning',
    title: 'Node does not take the topology',
    when: 'Several pushes did not bring the node to the committed version and role. They go on.',
    remedy: 'Read the detail and the log of the node.',
  },
  masterUnconfirmed: {
    severity: 'critical',
    title: 'Master is missed here, and that is not confirmed',
    when: 'The leading controller has missed the master for the whole window; other controllers, or replicas of its own, hear from it, or fewer than a majority of the controllers have said what they see.',
    remedy:
      'Repair the network between this controller and the node, or bring the other controllers back. If the node is dead all the same: POST .../failover with "force": true.',
  },
  replicaLinkDown: {
    severity: 'warning',
    title: 'Replica has no link to its master',
    when: 'The master answers and the replica follows it, but its link does not live: down, synchronising, or silent although it says "up". It could not take over now.',
    remedy:
      'Check "masterauth", the network between the two and the disk of the replica, whose log says why.',
  },
  slotsWriteForbidden: {
    severity: 'error',
    title: 'Slots refuse writes',
    when: 'A hand-over of slots was undone; the master serves them again but answers TRYAGAIN to writes.',
    remedy:
      'It lends another slot for a moment, by itself, if a shard can have it and the cluster has had a migration under this release. Else restart the node, or migrate any other slot out of it: either clears the mark.',
  },
  unrecordedHandOver: {
    severity: 'critical',
    title: 'Slots handed over without a record',
    when: 'A master turned clients away to another one, which has the newest writes, and the topology does not know. Both ends are held.',
    remedy: 'Do as the detail says. Do not restart the source unless the target has lost its data for good.',
  },
  migrationSlow: {
    severity: 'warning',
    title: 'Migration does not come to its end',
    when: 'A job runs for more than two minutes. It never ends while the slots are written faster than "migrate-speed" copies them; the detail has both figures.',
    remedy:
      'Raise the speed (CONFIG SET migrate-speed 0 on the source acts at once), write less, or give it up: POST .../clusters/{cluster}/migrate/cancel.',
  },
  unknownJob: {
    severity: 'warning',
    title: 'Unrecorded migration',
    when: 'A master moves slots although no migration is recorded. Neither end gets a new topology until it has ended.',
    remedy:
      'Wait for its end: a success that both ends report is recorded. Start migrations through the controller only.',
  },
  slotsUncovered: {
    severity: 'warning',
    title: 'Slots without an owner',
    when: 'No shard owns some slots.',
    remedy: 'Give them to a shard: POST .../shards/{shard}/slots.',
  },
  taskWaiting: {
    severity: 'warning',
    title: 'Migration does not go on',
    when: 'A migration that has slots left to move has no job under way, and cannot begin one; the detail says why.',
    remedy:
      'Mend what the detail names; it then goes on by itself. POST .../migrations/{id}/cancel gives it up: slots that have come stay where they are.',
  },
  settingsKept: {
    severity: 'warning',
    title: 'Settings of a migration are still set',
    when: 'A migration has no slots left to move out of a node whose migrate-speed or migrate-type it has changed, and the node does not take the old values.',
    remedy:
      'Mend what the detail names, or set the values that it names by CONFIG SET: that is seen, and ends it.',
  },
  migrationWaiting: {
    severity: 'info',
    title: 'Migration is waiting',
    when: 'A migration cannot go on now; the detail says for what it waits.',
    remedy:
      'None while it is short; else remove what it waits for, or POST .../clusters/{cluster}/migrate/cancel.',
  },
  storeUnavailable: {
    severity: 'error',
    title: 'Decision cannot be recorded',
    when: 'A decision could not be committed several times in a row.',
    remedy: 'Check that a majority of the controllers runs.',
  },
  failoverRestrained: {
    severity: 'critical',
    title: 'Master is not replaced, because something holds that back',
    when: 'Everything speaks for an automatic failover, and a replica could take over; but failovers are paused or run dry, the master is in maintenance, very many nodes are missed at once, or the shard had a change of masters just now.',
    remedy:
      'Read the detail. POST .../shards/{shard}/failover does it now; or take the hindrance away: PUT .../clusters/{cluster}/automation or /api/v1/automation {"failover":"on"}, DELETE .../nodes/{id}/maintenance. A cool-down ends by itself.',
  },
  leaseExpired: {
    severity: 'critical',
    title: 'Lease of a master is over',
    when: 'Leases are on, and a master that answers had its last renewal longer than a lease ago: it refuses writes (master-lease-mode block-write).',
    remedy:
      'It is renewed as soon as that is possible: once it takes the password recorded for it, has no higher version than the cluster, and a majority of the controllers is there; lease.refused in the log has its own words. At once: CONFIG SET master-lease-mode disabled on the node.',
  },
  failoverPaused: {
    severity: 'warning',
    title: 'Automatic failover is off',
    when: 'Somebody has paused it, or has it run dry, for this cluster or for all.',
    remedy:
      'When the reason is gone: PUT .../clusters/{cluster}/automation or /api/v1/automation {"failover":"on"}.',
  },
  massFailure: {
    severity: 'critical',
    title: 'Very many nodes are missed at once',
    when: 'More than max_failure_ratio of at least min_alive_size nodes of all clusters together. Rather the controllers are cut off than all of these dead, so no master is replaced for being away.',
    remedy:
      'Repair the network of the controllers. If the nodes are dead indeed: PUT /api/v1/automation {"failover":"on","ignore_mass_failure":true}, with an "until".',
  },
  nodeInMaintenance: {
    severity: 'info',
    title: 'Node is in maintenance',
    when: 'Somebody works on it: it does not take over, and is not replaced or missed while it is away.',
    remedy: 'When the work is done: DELETE .../nodes/{id}/maintenance.',
  },
  copiesMissing: {
    severity: 'warning',
    title: 'Shard has fewer nodes than are wanted',
    when: 'Fewer nodes of a shard are there than "copies" in PUT .../spares: a member is away, still being copied to for the first time, or there are too few. The detail says what is going to happen, and when, or what holds it back.',
    remedy:
      'Bring the node back, or wait: a spare takes its place when the time is over and nothing stands against it; a copy that is being made counts when it is done.',
  },
  sparesMissing: {
    severity: 'error',
    title: 'No spare is ready',
    when: 'A shard is to get a spare now, and none of those listed can be used; the detail says why for each.',
    remedy:
      'Mend one as the detail says, or list another: PUT .../clusters/{cluster}/spares {"nodes":[...]}. A node that was used before has to be started on a new data directory.',
  },
  departedUntold: {
    severity: 'warning',
    title: 'Node that left could not be told',
    when: 'A node that was removed has not heard of it for a minute. It is looked at once a second, or every 100 ms where clients may find a master in it. Until it hears it goes on following its old master, as soon as it runs, and serves stale reads; an old master takes writes that are acknowledged and lost.',
    remedy:
      'Start it or repair the network: it is told as soon as it answers, within a second. Or see to it that it never comes back, and then DELETE .../clusters/{cluster}/departed/{node}.',
  },
} as const satisfies Record<ProblemKind, ProblemEntry>;

/** The same for the same problem at the same place: tells a new problem from a lasting one. */
export function problemKey(problem: Problem): string {
  return `${problem.kind}/${problem.shardIndex ?? ''}/${problem.node ?? ''}`;
}
