// The cluster that the examples tell of: two shards of a master and a replica, with the names of the API's own document.

export const NAMESPACE = 'test-ns';
export const CLUSTER = 'test-cluster';

/** Ids of the nodes at the first addresses, in their order, and of one that is added and removed again. */
export const [MASTER_0, REPLICA_0, MASTER_1, REPLICA_1, ADDED] = [
  'YotDSqzTeHK6CnIX2gZu27IlcYRTW4dkkFQvV382',
  '3SStZULMqclwvYNT8gN05IdybROe0vEnn97iNB5Z',
  'y5PftTd0Lc3hH34yEyavIji86cRM5i3oxytt42vo',
  'pxpE1JSBJcqicuwc95zqTPTj5rB7YtfvpociyH8C',
  'O0JKq1Hp9FtI3dJTU3MigWjjZJzPtduoDODX0OAY',
] as const;

/** The address of the node with that place. */
export function addressOf(place: number): string {
  return `127.0.0.1:${6666 + place}`;
}

const CREATED_AT = 1_683_443_398;
export const TIME = '2026-01-31T12:00:00Z';

export function nodeExample(id: string, place: number, role: 'master' | 'slave'): object {
  return { id, addr: addressOf(place), role, password: '', master_auth: '', created_at: CREATED_AT };
}

function shardExample(nodes: readonly object[], slots: string): object {
  return { nodes, slot_ranges: [slots], target_shard_index: -1, migrating_slot: -1, import_slot: -1 };
}

export const NODES_0 = [nodeExample(MASTER_0, 0, 'master'), nodeExample(REPLICA_0, 1, 'slave')];
const NODES_1 = [nodeExample(MASTER_1, 2, 'master'), nodeExample(REPLICA_1, 3, 'slave')];

export const SHARD_0 = shardExample(NODES_0, '0-8191');
export const SHARDS = [SHARD_0, shardExample(NODES_1, '8192-16383')];
export const CLUSTER_EXAMPLE = { name: CLUSTER, version: 1, shards: SHARDS };

const MIGRATION = {
  id: 1,
  kind: 'migrate',
  state: 'running',
  reason: '',
  actor: 'api',
  batch: 10,
  speed: null,
  type: null,
  removes: [],
  slots: { total: 100, moved: 10, left: 90 },
  percent: 10,
  slots_per_second: 20.5,
  seconds_left: 4,
  retries: 0,
  running: [{ slots: '10-19', source: 0, target: 1, since: TIME, stage: 'started' }],
  created_at: TIME,
  started_at: TIME,
  ended_at: null,
};

/** A migration as lists have it. */
export function migrationExample(differences: object = {}): object {
  return { ...MIGRATION, ...differences };
}

/** A migration as it is shown alone. */
export function migrationWithRanges(differences: object = {}): object {
  const range = {
    slots: '0-99',
    source: 0,
    target: 1,
    moved: 10,
    left: 90,
    state: 'running',
    attempts: 0,
    last_error: '',
  };
  return { ...MIGRATION, ranges: [range], tuned: [], ...differences };
}

/** What nobody has said anything about. */
export const NO_WISH = { until: null, reason: '', set_at: null };
export const AUTOMATION = { failover: 'on', ignore_mass_failure: false, ...NO_WISH };
export const PAUSED = {
  failover: 'paused',
  ignore_mass_failure: false,
  until: null,
  reason: 'the switches are replaced',
  set_at: TIME,
};
export const SPARES = {
  copies: 2,
  replace_after_seconds: 600,
  nodes: [
    {
      addr: addressOf(6),
      zone: '',
      login: 'none',
      lost: null,
      state: 'ready',
      reason: 'it is empty and can be used',
      looked_at: TIME,
    },
  ],
  shards: [],
};
export const EVENT = {
  id: `${NAMESPACE}/${CLUSTER}/1`,
  time: TIME,
  kind: 'clusterCreated',
  severity: 'info',
  actor: 'api',
  text: `cluster ${NAMESPACE}/${CLUSTER} was created: 2 shards, 4 nodes`,
  shard: null,
  node: null,
  correlation: '',
  lost: null,
  version: { before: 0, after: 1 },
  details: null,
};
