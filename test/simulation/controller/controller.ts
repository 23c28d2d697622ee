// What a process is made of above its Raft: the joints of `src/server.ts`, with a simulated way to nodes and to other members.

import { assert } from '../../../src/base/assert.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import type { Panel } from '../../../src/control/evidence.ts';
import type { ControlSettings } from '../../../src/control/settings.ts';
import type { ClusterRecords, Witnesses } from '../../../src/leader/ports.ts';
import { clusterId } from '../../../src/raft/cluster-id.ts';
import { allVoters } from '../../../src/raft/core/membership.ts';
import { memberId, type MemberId, type Membership } from '../../../src/raft/core/types.ts';
import type { ToldLevel } from '../../../src/server/feature-level/survey.ts';
import { parseName } from '../../../src/topology/name.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { allNodes } from '../../../src/topology/cluster.ts';
import type { Cluster, NodeAddress } from '../../../src/topology/types.ts';
import { NO_METRICS } from '../../support/no-metrics.ts';
import type { Peer as Machine, Running } from '../peer.ts';
import { childRandom } from '../prng.ts';
import type { Process } from '../process.ts';
import type { Trace } from '../trace.ts';
import type { Channel } from './channel.ts';
import { takingLogger } from './logger.ts';
import { SimulatedNodeClient, type NodeClientParts } from './node-client.ts';
import {
  AppliedLevel,
  FEATURE_LEVEL,
  Leadership,
  LeadershipTerms,
  LevelKeeper,
  Registry,
  ReplicatedStore,
  WITNESS_LEVEL,
  Witness,
  WitnessPanel,
  probeDeadlineMs,
  type Peer,
} from './production.ts';

export const CLUSTER_ID = clusterId('5'.repeat(32));
const COMMIT_DEADLINE_MS = 5000;
const IDENTITY_DEADLINE_MS = 1000;

/** A change of the cluster as its leader is about to propose it. */
export interface Proposal {
  readonly by: Controller;
  readonly term: number;
  readonly record: ClusterRecord;
  readonly next: Cluster;
  /** Lines of the log that tell of it: the failovers in it. */
  readonly failovers: readonly Failover[];
}

/** A change of masters by the decision's own word. */
export interface Failover {
  readonly shardIndex: number;
  readonly to: string;
  readonly isDrained: boolean;
  readonly why: string;
}

export interface ControllerParts {
  readonly seed: number;
  /** How many processes the member has had. */
  readonly life: number;
  readonly settings: ControlSettings;
  readonly trace: Trace;
  readonly channel: Channel;
  readonly nodes: Omit<NodeClientParts, 'process' | 'onLook'> & {
    readonly onLook: (observer: number, ...look: Parameters<NodeClientParts['onLook']>) => void;
  };
  readonly onProposal: (proposal: Proposal) => void;
  /** A member has answered a question of the decisions. */
  readonly onWord: (
    leader: number,
    observer: number,
    word: { readonly address: NodeAddress; readonly askedUs: number },
  ) => void;
  /** A copy counts as none from now on, for a reason that people are told. */
  readonly onCondemned: (leader: number, why: string) => void;
  /** It leads a term from now on. */
  readonly onLead: (leader: number) => void;
  readonly nowUs: () => number;
}

export class Controller {
  readonly id: MemberId;
  readonly machine: Machine;
  readonly process: Process;
  readonly driver: Running['driver'];
  readonly registry: Registry;
  readonly terms: LeadershipTerms;
  readonly witness: Witness;
  readonly levels: LevelKeeper;
  /** Failovers by hand that have not been answered; and those by force. */
  byHand = 0;
  byForce = 0;
  /** Since when it leads the present term, virtual microseconds. */
  leadsSinceUs = 0;
  readonly #parts: ControllerParts;
  readonly #level: AppliedLevel;
  readonly #logger;
  readonly #random;
  #failovers: Failover[] = [];

  constructor(
    parts: ControllerParts,
    machine: Machine,
    life: { readonly process: Process; readonly running: Running },
  ) {
    const { process, running } = life;
    const { driver } = running;
    this.id = machine.id;
    this.machine = machine;
    this.process = process;
    this.driver = driver;
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'controller', machine.id, parts.life);
    this.#logger = takingLogger((event, fields) => this.#tell(event, fields));
    this.#level = new AppliedLevel(running.machine, FEATURE_LEVEL);
    this.#level.failTo((problem) => driver.fail(problem));
    const store = new ReplicatedStore(driver, running.machine);
    const { clock } = process;
    this.registry = new Registry({
      store,
      random: this.#random,
      clock,
      deadlineMs: COMMIT_DEADLINE_MS,
      featureLevel: () => this.#level.recorded.level,
    });
    this.terms = new LeadershipTerms((term) => this.#lead(term));
    const observing = this.#client();
    this.witness = new Witness({
      findCluster: (namespace, cluster) => {
        const [inNamespace, name] = [parseName(namespace), parseName(cluster)];
        return inNamespace.ok && name.ok ? this.registry.getCluster(inNamespace.value, name.value) : null;
      },
      probe: (endpoint, deadlineMs) => observing.probe(endpoint, deadlineMs),
      release: (address) => observing.release(address),
      term: () => driver.role.term,
      clusterId: CLUSTER_ID,
    });
    driver.onRole((view) => this.terms.follow(view));
    this.levels = new LevelKeeper({
      driver,
      self: this.id,
      clusterId: CLUSTER_ID,
      applied: this.#level,
      release: '',
      store,
      ask: (address, abandoned) => this.#askIdentity(address, abandoned),
      clock,
      random: this.#random,
      logger: this.#logger,
    });
  }

  get leads(): boolean {
    return this.process.alive && this.driver.role.established;
  }

  get level(): number {
    return this.#level.recorded.level;
  }

  get identity(): ToldLevel {
    assert(this.machine.incarnation !== null, 'a process that runs has a data directory');
    return {
      clusterId: CLUSTER_ID,
      memberId: this.id,
      incarnation: this.machine.incarnation,
      featureLevel: FEATURE_LEVEL,
      release: null,
    };
  }

  #lead(term: number): Leadership {
    const { settings, nowUs, onLead } = this.#parts;
    const { driver } = this;
    this.leadsSinceUs = nowUs();
    onLead(this.id);
    return new Leadership(
      term,
      {
        records: this.#records(),
        client: this.#client(),
        witnesses: this.#witnesses({
          clock: this.process.clock,
          lookup: () => undefined,
          clusterId: CLUSTER_ID,
          term,
          panel: () => panelOf(driver.membership, this.id, this.level),
          peers: () => peersOf(driver.membership, this.id),
          lookMs: () => probeDeadlineMs(settings.pingIntervalMs),
        }),
        clock: this.process.clock,
        random: this.#random,
        logger: this.#logger,
        metrics: NO_METRICS,
        isCurrent: (asked) => driver.role.established && driver.role.term === asked,
        giveLead: async (to) => {
          await driver.transferLead(memberId(to));
        },
      },
      settings,
    );
  }

  /** The panel, with an eye on what is answered. Whoever asks about all nodes misses them all, or compares members and decides nothing by it. */
  #witnesses(ports: ConstructorParameters<typeof WitnessPanel>[0]): Witnesses {
    const panel = new WitnessPanel(ports);
    const { nowUs, onWord } = this.#parts;
    return {
      panel: () => panel.panel(),
      close: () => panel.close(),
      ask: (place, nodes) => {
        const askedUs = nowUs();
        const record = this.registry.getCluster(place.namespace, place.cluster);
        const all = record === null ? [] : allNodes(record.cluster);
        const answers = panel.ask(place, nodes);
        const isOfAll = nodes.length >= all.length;
        return answers.map(async (answer) => {
          const words = await answer;
          for (const { node } of all) {
            const word = words.get(node.id);
            const isCounted = word !== undefined && !(isOfAll && word.kind === 'answered');
            if (isCounted) onWord(this.id, word.observer, { address: node.address, askedUs });
          }
          return words;
        });
      },
    };
  }

  /** The registry, with an eye on what is about to be proposed. */
  #records(): ClusterRecords {
    const { registry } = this;
    return {
      allClusters: () => registry.allClusters(),
      getCluster: (namespace, cluster) => registry.getCluster(namespace, cluster),
      get storesDrains() {
        return registry.storesDrains;
      },
      policies: registry.policies,
      departures: registry.departures,
      tasks: registry.tasks,
      ownerOf: (address) => registry.ownerOf(address),
      tell: (event, term) => registry.tell(event, term),
      linearize: () => registry.linearize(),
      replaceCluster: (record, next, change) => {
        const failovers = this.#failovers;
        this.#failovers = [];
        this.#parts.onProposal({ by: this, term: change.term, record, next, failovers });
        return registry.replaceCluster(record, next, change);
      },
      watch: (listener) => registry.watch(listener),
    };
  }

  /** As `src/server.ts` has for the API: looks for people, by which nothing is decided. */
  inspector(): SimulatedNodeClient {
    const { nodes } = this.#parts;
    return new SimulatedNodeClient({ ...nodes, process: this.process, onLook: () => undefined });
  }

  #client(): SimulatedNodeClient {
    const { nodes } = this.#parts;
    return new SimulatedNodeClient({
      ...nodes,
      process: this.process,
      onLook: (...look) => nodes.onLook(this.id, ...look),
    });
  }

  #tell(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.trace.say(this.id, () => `${event} ${JSON.stringify(fields)}`);
    if (event === 'copy.condemn.started') this.#parts.onCondemned(this.id, String(fields['why']));
    if (event !== 'failover.started') return;
    const { shardIndex, to, isDrained, why } = fields;
    this.#failovers.push({
      shardIndex: Number(shardIndex),
      to: String(to),
      isDrained: isDrained === true,
      why: String(why),
    });
  }

  #askIdentity(address: string, abandoned: AbortSignal): Promise<Result<ToldLevel, string>> {
    const { channel } = this.#parts;
    return new Promise((resolve) => {
      const none = (): void => resolve(err('no answer'));
      const timer = this.process.clock.setTimer(IDENTITY_DEADLINE_MS, none);
      abandoned.addEventListener('abort', none, { once: true });
      channel.ask(this.process, memberAt(address), {
        serve: (at) => Promise.resolve(at.identity),
        done: (told) => {
          timer.cancel();
          if (told === null) none();
          else resolve(ok(told));
        },
      });
    });
  }
}

/** As in `src/server/witnesses.ts`, which brings the system's clock and its sockets along. */
function panelOf({ voterSets }: Membership, self: MemberId, level: number): Panel {
  return { self, voters: level >= WITNESS_LEVEL ? voterSets : [[self]] };
}

function peersOf(membership: Membership, self: MemberId): readonly Peer[] {
  return allVoters(membership).flatMap((id): Peer[] => {
    const address = membership.addresses.get(id);
    return id === self || address === undefined ? [] : [{ id, origin: `http://${address}` }];
  });
}

/** The member at an address of `addressOf`. */
export function memberAt(address: string): MemberId {
  const id = /10\.0\.0\.(\d+)/u.exec(address)?.[1];
  assert(id !== undefined, `a member is at ${address}`);
  return memberId(Number(id));
}
