// The application over a real registry in a group of one, and a fleet of nodes that answers what it is told.

import type { Hono } from 'hono';

import { createApp } from '../../../src/api/app.ts';
import { ApiDescription } from '../../../src/api/description.ts';
import type {
  FailoverDone,
  FailoverRefusal,
  FailoverRequest,
} from '../../../src/control/failover-request.ts';
import type {
  Attention,
  Configuration,
  ConfigurationView,
  GroupChanges,
  GroupMembers,
  GroupStatus,
  HealthCheck,
  LeaderWait,
  Insight,
  NodeInspection,
  NodeInspector,
  RequestLabels,
  SameProcesses,
  Upgrades,
  UpgradeStatus,
} from '../../../src/api/ports.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import type { HandPlan } from '../../../src/control/plan-by-hand.ts';
import type { SlotService } from '../../../src/control/imported-hand-over.ts';
import type { NodeEndpoint } from '../../../src/control/node-commands.ts';
import type { NodeError } from '../../../src/control/observation.ts';
import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import { Registry } from '../../../src/registry/registry.ts';
import { createBackupVerifier } from '../../../src/server/backup-verifier.ts';
import { webhookRecords } from '../../../src/server/webhooks.ts';
import { ReplicatedStore } from '../../../src/store/replicated-store.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { GroupOfOne, JumpingClock } from '../registry/support.ts';
import { checkDocumented } from '../../support/documented.ts';
import { silentLogger } from '../../support/silent-logger.ts';

/** What one modelled server says; by default it is fresh. */
export interface ModelNode {
  inspection: Result<NodeInspection, NodeError>;
  /** The text of CLUSTER NODES. */
  topology: string;
  /** Addresses of the same name lead to one process. */
  process: string;
  /** Slots it does not simply serve. */
  services: ReadonlyMap<number, SlotService>;
}

const FRESH: NodeInspection = {
  id: null,
  version: -1,
  role: 'master',
  master: null,
  sequence: 0,
  sourceJob: null,
  targetJob: null,
};

/** What a node says of itself: a fresh one with `words` of its own. */
export function said(words: Partial<NodeInspection>): Result<NodeInspection, NodeError> {
  return ok({ ...FRESH, ...words });
}

/** Nodes by address; one that is not listed cannot be reached. */
export class ModelFleet implements NodeInspector {
  readonly nodes = new Map<string, ModelNode>();
  /** Every question, as `inspect 127.0.0.1:1`, in order. */
  readonly asked: string[] = [];
  /** How often nodes were told apart. */
  comparisons = 0;
  /** Awaited before each inspection ends. */
  beforeAnswer: () => Promise<void> = () => Promise.resolve();
  /** Awaited before the topology of the node at the address is answered. */
  beforeTopology: (address: NodeAddress) => Promise<void> = () => Promise.resolve();
  /** Passwords by address; without one any is taken. */
  readonly passwords = new Map<string, string>();

  add(...addresses: string[]): void {
    for (const address of addresses) this.set(address, said({}));
  }

  set(address: string, inspection: Result<NodeInspection, NodeError>, more: Partial<ModelNode> = {}): void {
    this.nodes.set(address, {
      inspection,
      topology: '',
      process: address,
      services: new Map(),
      ...more,
    });
  }

  async inspect({ address, password }: NodeEndpoint): Promise<Result<NodeInspection, NodeError>> {
    this.asked.push(`inspect ${address}`);
    await this.beforeAnswer();
    const node = this.nodes.get(address);
    if (node === undefined) return err({ kind: 'connectionRefused', message: 'connect ECONNREFUSED' });
    const wanted = this.passwords.get(address);
    if (wanted !== undefined && wanted !== password.reveal())
      return err({ kind: 'wrongPassword', message: 'ERR Invalid password' });
    return node.inspection;
  }

  async clusterNodes({ address }: NodeEndpoint): Promise<Result<string, NodeError>> {
    this.asked.push(`clusterNodes ${address}`);
    await this.beforeTopology(address);
    return ok(this.nodes.get(address)?.topology ?? '');
  }

  slotServices(
    { address }: NodeEndpoint,
    slots: readonly number[],
  ): Promise<Result<readonly SlotService[], NodeError>> {
    this.asked.push(`slotServices ${address}`);
    const node = this.nodes.get(address);
    if (node === undefined) return Promise.resolve(err({ kind: 'timedOut', message: 'no answer' }));
    return Promise.resolve(ok(slots.map((slot) => node.services.get(slot) ?? { kind: 'served' })));
  }

  sameProcess(endpoints: readonly NodeEndpoint[]): Promise<SameProcesses> {
    this.comparisons += 1;
    const reached = endpoints.filter(({ address }) => this.nodes.get(address)?.inspection.ok === true);
    const byProcess = Map.groupBy(reached, ({ address }) => this.nodes.get(address)?.process);
    return Promise.resolve({
      groups: [...byProcess.values()].map((group) => group.map(({ address }) => address)),
      failures: new Map(),
    });
  }
}

export interface TestApi {
  readonly app: Hono;
  readonly group: GroupOfOne;
  readonly fleet: ModelFleet;
  readonly registry: Registry;
  readonly requests: RequestLabels[];
  /** Events logged at level error. */
  readonly errors: string[];
  status: GroupStatus;
  /** What speaks against being ready, and against being alive, by its name; nothing unless a test says otherwise. */
  unready: Readonly<Record<string, string>>;
  dying: Readonly<Record<string, string>>;
  members: GroupMembers;
  changes: GroupChanges;
  upgrades: Upgrades;
  /** Waits for a leader; at once in vain unless a test says otherwise. */
  untilKnown: LeaderWait['untilKnown'];
  featureLevel: number;
  configuration: ConfigurationView;
  reload: Configuration['reload'];
  /** Backups opened so far. */
  backups: number;
  /** What the leader sees; null while it has not looked. */
  seen: Insight | null;
  /** Clusters that were to be looked at at once. */
  readonly nudged: string[];
  sync: Attention['sync'];
  check: Attention['check'];
  failover: (request: FailoverRequest) => Promise<Result<FailoverDone, FailoverRefusal>>;
  planFailover: (request: FailoverRequest) => Promise<Result<HandPlan, FailoverRefusal>>;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export const SELF = '127.0.0.1:9379' as NodeAddress;

/** Of a group of one, of which nothing is to be upgraded. */
export const UPGRADED: UpgradeStatus = {
  release: '1.2.3',
  level: 2,
  highest: 2,
  members: [{ id: 1, address: SELF, release: '1.2.3', level: 2, fault: null }],
  heldBy: null,
  next: 'nothing',
  off: [],
  wayBack: 'a backup',
};

export function testApi(clock: Clock = new JumpingClock()): TestApi {
  const random = createSeededRandom(1);
  const group = new GroupOfOne();
  const fleet = new ModelFleet();
  const requests: RequestLabels[] = [];
  const errors: string[] = [];
  const registry = new Registry({
    store: new ReplicatedStore(group, group.machine),
    clock,
    random,
    deadlineMs: 5000,
    featureLevel: () => api.featureLevel,
  });
  const api: TestApi = {
    app: createApp({
      group: { current: () => api.status, members: () => api.members },
      health: {
        live: () => checksOf('log', api.dying),
        ready: (mustLead) => checksOf(mustLead ? 'role' : 'leader', api.unready),
      },
      groupChanges: {
        add: (member) => api.changes.add(member),
        remove: (member) => api.changes.remove(member),
        transferLead: (to) => api.changes.transferLead(to),
      },
      upgrades: {
        status: () => api.upgrades.status(),
        olderLeader: () => api.upgrades.olderLeader(),
        finalize: (request) => api.upgrades.finalize(request),
      },
      configuration: {
        view: () => api.configuration,
        reload: (by) => api.reload(by),
        setLogLevel: (level, seconds) => ({ level, untilSeconds: seconds, configured: 'info' }),
      },
      leaderWait: { untilKnown: (abandoned) => api.untilKnown(abandoned) },
      backups: {
        async open() {
          api.backups += 1;
          const confirmed = await registry.linearize();
          if (!confirmed.ok) return confirmed;
          const content = new Blob(['the ', 'state']).stream();
          return ok({ fileName: 'copy-7.snapshot', content, broken: new AbortController().signal });
        },
      },
      backupVerifier: createBackupVerifier(),
      clusters: registry,
      policies: registry.policies,
      departures: registry.departures,
      events: registry.events,
      webhooks: webhookRecords(registry),
      inspector: fleet,
      failovers: {
        failover: (request) => api.failover(request),
        planFailover: (request) => api.planFailover(request),
      },
      insight: {
        status: (place) => api.seen?.status(place) ?? null,
        tasks: () => new Map(),
        explain: (place, shardIndex) => api.seen?.explain(place, shardIndex) ?? null,
      },
      attention: {
        nudge: (namespace, cluster) => api.nudged.push(`${namespace}/${cluster}`),
        lookAtSpares: ({ namespace, cluster }) => api.nudged.push(`spares of ${namespace}/${cluster}`),
        sync: (place, node) => api.sync(place, node),
        check: (place) => api.check(place),
      },
      metrics: {
        requestBegan: () => undefined,
        observeRequest: (labels) => requests.push(labels),
        render: () =>
          Promise.resolve({ pieces: [new TextEncoder().encode('metric 1\n')], contentType: 'text/plain' }),
      },
      description: new ApiDescription('1.2.3', systemClock),
      clock,
      random,
      logger: { ...silentLogger, error: (event) => void errors.push(event) },
    }),
    group,
    fleet,
    registry,
    requests,
    errors,
    status: { self: 1, term: 1, leader: { id: 1, address: SELF } },
    unready: {},
    dying: {},
    members: {
      members: [{ id: 1, address: SELF, role: 'voter', lagEntries: 0, lastContactMs: null, featureLevel: 2 }],
      changing: null,
      featureLevel: 2,
    },
    changes: {
      add: () => Promise.resolve(ok(undefined)),
      remove: () => Promise.resolve(ok(undefined)),
      transferLead: () => Promise.resolve(ok({ id: 1, address: SELF, term: 1 })),
    },
    upgrades: {
      status: () => Promise.resolve(UPGRADED),
      olderLeader: () => Promise.resolve(null),
      finalize: () => Promise.resolve(ok({ from: 2, to: 2 })),
    },
    untilKnown: () => Promise.resolve(),
    featureLevel: FEATURE_LEVEL,
    configuration: {
      settings: [],
      withoutEffect: [],
      needsRestart: [],
      logLevel: { level: 'info', untilSeconds: null, configured: 'info' },
      reload: { isGood: true, readAtSeconds: 0, problems: [] },
    },
    reload: () => Promise.resolve(ok({ applied: [], needsRestart: [] })),
    backups: 0,
    seen: null,
    nudged: [],
    sync: () => Promise.resolve(ok([])),
    check: () => Promise.resolve(err({ kind: 'notLeader' })),
    failover: () => Promise.resolve(err({ kind: 'refused', reason: 'no replica' })),
    planFailover: () => Promise.resolve(err({ kind: 'missing' })),
    async call(method, path, body, headers = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      // What a client on a socket would send along.
      const length = text === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(text)) };
      const init = {
        method,
        headers: { ...headers, ...length },
        ...(text === undefined ? {} : { body: text }),
      };
      const response = await api.app.request(path, init);
      const answer = await response.text();
      const parsed: unknown = answer.startsWith('{') ? JSON.parse(answer) : answer;
      checkDocumented({
        method,
        target: path,
        sent: typeof body === 'string' ? undefined : body,
        status: response.status,
        contentType: response.headers.get('Content-Type'),
        text: answer,
      });
      return { status: response.status, headers: response.headers, body: parsed };
    },
  };
  return api;
}

/** The check `name`, which holds unless `problems` has it, and whatever else they have. */
function checksOf(name: string, problems: Readonly<Record<string, string>>): readonly HealthCheck[] {
  return Object.entries({ [name]: null, ...problems }).map(([key, problem]) => ({ name: key, problem }));
}

export function failure(message: unknown): unknown {
  return { error: { message } };
}
