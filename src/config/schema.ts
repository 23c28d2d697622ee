// Every setting of the controller, once: its form, default, unit and reason. The example file is made from this.

import { z } from 'zod';

import { FEATURE_LEVEL, FIRST_FEATURE_LEVEL } from '../base/feature-level.ts';
import { isTree, type Tree } from './tree.ts';

/** Marks what counts as soon as the file is read again. Everything else is fixed by what runs already: the log, the port, the members' agreement. */
const live = { live: true } as const;

/** Accepted so that configuration files of earlier controllers keep working; they set nothing here, which is said. */
const ignored = z.unknown().optional();

const raft = z.strictObject({
  id: z.int().min(1).default(1).meta({
    note: "this member's number in the group: a positive integer; of a new group its place in `peers` (first = 1)",
  }),
  data_dir: z
    .string()
    .min(1)
    .default('./data/1')
    .meta({ note: 'folder of the log, the snapshots and the state; one process each' }),
  peers: z.array(z.string()).max(99).default(['127.0.0.1:9379', '127.0.0.1:9380', '127.0.0.1:9381']).meta({
    note: 'the founding members, nth entry = id n, all of them with the same list; to join: members of the group',
  }),
  cluster_state: z.enum(['new', 'existing']).default('new').meta({
    note: 'for an empty data_dir: new (founds the group with all of peers) | existing (joins a running group)',
  }),
  heartbeat_interval_ms: z
    .int()
    .min(10)
    .max(10_000)
    .default(50)
    .meta({ note: 'the leader shows that it lives this often' }),
  election_timeout_ms: z
    .int()
    .min(100)
    .max(60_000)
    .default(500)
    .meta({ note: 'silence after which a follower campaigns; randomised between 1x and 2x' }),
  snapshot_entries: z
    .int()
    .min(10)
    .max(10_000_000)
    .default(10_000)
    .meta({ note: 'applied log entries after which a snapshot is made and the log is cut' }),
  feature_level_max: z.int().min(FIRST_FEATURE_LEVEL).max(1_000_000).default(FEATURE_LEVEL).meta({
    note: 'nobody can finalize an upgrade beyond this level, and a new group takes no higher one; default: what this release supports',
  }),
});

const failover = z.strictObject({
  ping_interval_seconds: z
    .number()
    .min(0.2)
    .max(3600)
    .default(3)
    .meta({ ...live, note: 'every node is probed this often; fractions allowed, at least 0.2' }),
  max_ping_count: z
    .int()
    .min(1)
    .max(1000)
    .default(5)
    .meta({ ...live, note: 'consecutive failed probes before a node counts as down' }),
  restart_grace_seconds: z
    .number()
    .min(0)
    .max(3600)
    .default(0.8)
    .meta({
      ...live,
      note: 'a master whose process is proven to be gone is given this long to be back, instead of the whole window',
    }),
  max_lag: z
    .int()
    .min(0)
    .max(1_000_000_000_000)
    .default(10_000)
    .meta({
      ...live,
      note: 'sequence numbers (about one a write) that a replica may lack and still take over by itself; more needs "force"',
    }),
  switchover_timeout_ms: z
    .int()
    .min(100)
    .max(60_000)
    .default(2000)
    .meta({
      ...live,
      note: 'a planned failover turns clients away this long at most, until the replica has everything; else it is undone',
    }),
  cooldown_seconds: z
    .number()
    .min(0)
    .max(86_400)
    .default(30)
    .meta({
      ...live,
      note: 'after a change of masters a next one that is only silent is not replaced for this long; proven deaths do not wait',
    }),
  min_alive_size: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10)
    .meta({
      ...live,
      note: 'with at least this many nodes in all clusters together,',
    }),
  max_failure_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.6)
    .meta({
      ...live,
      note: 'no master is replaced for being away while more than this part of them is missed at once; 1 = never',
    }),
  master_lease_ms: z.int().min(0).max(60_000).default(0).meta({
    // A leader waits for the lease that it would have given, so all members have the same: docs/decisions/0016-leases.md.
    note: 'lease of masters that know CLUSTERX HEARTBEAT: renewed three times within it, waited out before a silent one is replaced; 0 = off',
  }),
  gc_interval_seconds: ignored,
});

const log = z.looseObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .meta({ ...live, note: 'debug | info | warn | error; lines are JSON on standard output' }),
});

/** The configuration file. Unknown keys are refused (`load.ts` names the nearest known one). */
export const configSchema = z.strictObject({
  addr: z
    .string()
    .default('127.0.0.1:9379')
    .meta({ note: 'listen address: REST API, metrics and Raft share it' }),
  advertise_addr: z.string().default('').meta({ note: 'host:port others reach it at; defaults to addr' }),
  raft: raft.prefault({}),
  controller: z.strictObject({ failover: failover.prefault({}) }).prefault({}),
  metrics: z
    .strictObject({
      node_series_max: z.int().min(0).max(1_000_000).default(2000).meta({
        note: 'nodes, of all clusters together, above which GET /metrics has counts of each cluster instead of series of each node',
      }),
    })
    .prefault({}),
  log: log.prefault({}),
  storage_type: ignored,
  etcd: ignored,
  zookeeper: ignored,
  consul: ignored,
  admin: ignored,
});

/** The paths in `tree`, a file's settings, that are accepted and set nothing. */
export function withoutEffect(tree: Tree): readonly string[] {
  return ignoredIn(configSchema, tree, '');
}

function ignoredIn(schema: z.ZodObject, tree: Tree, prefix: string): readonly string[] {
  const isLoose = schema.def.catchall instanceof z.ZodUnknown;
  return Object.entries(tree).flatMap(([key, value]) => {
    const field: unknown = Object.hasOwn(schema.shape, key) ? schema.shape[key] : isLoose ? ignored : null;
    if (field === ignored) return prefix + key;
    const inner = field instanceof z.ZodPrefault ? field.def.innerType : field;
    return inner instanceof z.ZodObject && isTree(value) ? ignoredIn(inner, value, `${prefix}${key}.`) : [];
  });
}

/** What the schema says of one setting besides its form. */
export interface SettingMeta {
  readonly note: string;
  /** It counts on a reload. */
  readonly isLive: boolean;
  readonly defaultValue: unknown;
}

/** Every setting by its path, in the order of the schema; without keys that are only accepted. */
export function describeSettings(): ReadonlyMap<string, SettingMeta> {
  return new Map(settingsIn(configSchema, ''));
}

function settingsIn(schema: z.ZodObject, prefix: string): readonly (readonly [string, SettingMeta])[] {
  return Object.entries(schema.shape).flatMap(([key, field]) => {
    const inner: unknown = field instanceof z.ZodPrefault ? field.def.innerType : field;
    if (inner instanceof z.ZodObject) return settingsIn(inner, `${prefix}${key}.`);
    if (!(field instanceof z.ZodDefault)) return [];
    const { note, live: isLive } = field.meta() ?? {};
    const meta = {
      note: typeof note === 'string' ? note : '',
      isLive: isLive === true,
      defaultValue: field.def.defaultValue,
    };
    return [[prefix + key, meta] as const];
  });
}

export type RawConfig = z.output<typeof configSchema>;
