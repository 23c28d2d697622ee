// Carries out what was decided about one cluster, but for commits: one action after the other is begun, and each tells how it ended.

import { unreachable } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Secret } from '../base/secret.ts';
import type {
  Action,
  CommitAction,
  FenceAction,
  InquireAction,
  InspectSpareAction,
  MigrateAction,
  OutrunAction,
  PushAction,
  TuneAction,
} from '../control/actions.ts';
import type { ControlEvent } from '../control/memory.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import type { WordMemory } from '../control/node-memory.ts';
import type { NodeError } from '../control/observation.ts';
import type { Situation } from '../control/situation.ts';
import { findNode } from '../topology/cluster.ts';
import type { ClusterRecord } from '../topology/record.ts';
import { equalTuning, type NodeTuning, tuningLeft } from '../topology/tuning.ts';
import type { Cluster, ClusterVersion, Node, NodeAddress, NodeId } from '../topology/types.ts';
import type { NodeClient, Witnesses } from './ports.ts';
import type { Reporter } from './reporter.ts';
import { lookAtSpare } from './spare-looks.ts';

/** SETNODES may wait 10 s for a sleeping replication thread (facts section 3.6). */
const PUSH_DEADLINE_MS = 15_000;

/** A list of clients, and the end of some of them. */
const END_CLIENTS_DEADLINE_MS = 5_000;

const MIGRATE_DEADLINE_MS = 5_000;

/** One setting in memory. */
const FENCE_DEADLINE_MS = 2_000;

/** One question, and two settings in memory. */
const TUNE_DEADLINE_MS = 5_000;

/** A step of outrunning takes about 0.1 s of an idle node (facts section 13.3); a busy machine takes its time. */
const OUTRUN_DEADLINE_MS = 15_000;

export interface DeedsParts {
  readonly client: NodeClient;
  readonly witnesses: Witnesses;
  readonly clock: Clock;
  readonly random: Random;
  readonly reporter: Reporter;
  /** As committed now. */
  readonly record: () => ClusterRecord;
  readonly situation: () => Situation;
  /** All that are stored. */
  readonly clusters: () => readonly Cluster[];
  /** Every node was seen to have this version. */
  readonly isConverged: (version: ClusterVersion) => boolean;
  /** Whether a majority confirms the lead, with this version as the committed one; null is any. */
  readonly confirm: (version: ClusterVersion | null) => Promise<Result<void, NodeError>>;
  /** Lets a node take writes whose lease is over. */
  readonly openLease: (node: Node, version: ClusterVersion) => Promise<void>;
  readonly lookNow: (nodes: readonly NodeId[]) => void;
  readonly happened: (event: ControlEvent) => void;
}

export class Deeds {
  readonly #parts: DeedsParts;

  constructor(parts: DeedsParts) {
    this.#parts = parts;
  }

  /** Resolves when it has ended and that was told. Never rejects. */
  begin(action: Exclude<Action, CommitAction>): Promise<void> {
    switch (action.kind) {
      case 'push':
        return this.#push(action);
      case 'outrun':
        return this.#outrun(action);
      case 'fence':
        return this.#fence(action);
      case 'tune':
        return this.#tune(action);
      case 'migrate':
        return this.#migrate(action);
      case 'inquire':
        return this.#inquire(action);
      case 'inspectSpare':
        return this.#inspectSpare(action);
      default:
        return unreachable(action);
    }
  }

  /** `action` was decided from the committed record in this very turn: nothing else is ever pushed. */
  async #push(action: PushAction): Promise<void> {
    const { clock } = this.#parts;
    const { version } = action;
    const result = await this.#setTopology(action);
    this.#parts.reporter.pushed(action, result, this.#parts.isConverged(version));
    this.#parts.happened({ kind: 'pushed', node: action.node, endedAtMs: clock.monotonicMs(), result });
    this.#parts.lookNow([action.node]);
  }

  /** A node refuses a version lower than its own, which is the fence of ordinary pushes. FORCE has none. */
  async #setTopology(action: PushAction): Promise<Result<void, NodeError>> {
    const { client } = this.#parts;
    const { id, text, version, isForced } = action;
    const endpoint = this.#endpoint(action.node, action.address);
    if (action.endsClients) {
      const ended = await client.endClients(endpoint, END_CLIENTS_DEADLINE_MS);
      // A shard without a master is worse than what a server that does not know the command may yet do.
      if (!ended.ok && ended.error.kind !== 'refused') return ended;
    }
    const confirmed = isForced ? await this.#parts.confirm(version) : ok(undefined);
    if (!confirmed.ok) return confirmed;
    return client.setTopology(endpoint, { id, text, version, force: isForced }, PUSH_DEADLINE_MS);
  }

  /** Writes to the node, whatever it has become: a leader that hung and goes on must not do that to one that was made master meanwhile. */
  async #outrun(action: OutrunAction): Promise<void> {
    const { client, clock } = this.#parts;
    const { version } = this.#parts.record().cluster;
    const place = findNode(this.#parts.record().cluster, action.node);
    if (place !== null) await this.#parts.openLease(place.node, version);
    const confirmed = await this.#parts.confirm(version);
    const endpoint = this.#endpoint(action.node, action.address);
    const result = confirmed.ok ? await client.outrun(endpoint, action.count, OUTRUN_DEADLINE_MS) : confirmed;
    this.#parts.happened({ kind: 'outran', node: action.node, endedAtMs: clock.monotonicMs(), result });
    this.#parts.lookNow([action.node]);
  }

  /**
   * Turns replicas away whatever the node has become: not to be done by a leader that hung and goes on, to a node that another one gave a place. A
   * version of our own may be committed meanwhile: the push of it takes the fence down, and one that comes after that push is seen and taken down.
   */
  async #fence(action: FenceAction): Promise<void> {
    const { client, clock } = this.#parts;
    const confirmed = await this.#parts.confirm(null);
    const endpoint = this.#endpoint(action.node, action.address);
    const result = confirmed.ok ? await client.fence(endpoint, FENCE_DEADLINE_MS) : confirmed;
    this.#parts.reporter.fenced(action, result);
    this.#parts.happened({ kind: 'fenced', node: action.node, endedAtMs: clock.monotonicMs(), result });
    this.#parts.lookNow([action.node]);
  }

  async #tune(action: TuneAction): Promise<void> {
    const { clock } = this.#parts;
    const result = await this.#tuned(action);
    this.#parts.reporter.tuned(action, result);
    this.#parts.happened({ kind: 'tuned', node: action.node, endedAtMs: clock.monotonicMs(), result });
  }

  /**
   * What the node has already is not set: one that refuses is not asked to undo what it never did. A leader that hung and goes on must not change
   * what the next one has set back.
   */
  async #tuned({ node, address, step, settings }: TuneAction): Promise<Result<NodeTuning, NodeError>> {
    const { client } = this.#parts;
    const endpoint = this.#endpoint(node, address);
    const present = await client.readTuning(endpoint, settings, TUNE_DEADLINE_MS);
    if (!present.ok || step === 'read' || equalTuning(present.value, settings)) return present;
    const confirmed = await this.#parts.confirm(this.#parts.record().cluster.version);
    if (!confirmed.ok) return confirmed;
    const left = tuningLeft(settings, present.value);
    const set = await client.setTuning(endpoint, left, TUNE_DEADLINE_MS);
    return set.ok ? ok(settings) : set;
  }

  /** A node carries MIGRATE out under any version: one that is sent late would move slots of a migration that was given up meanwhile. */
  async #migrate(action: MigrateAction): Promise<void> {
    const { clock } = this.#parts;
    const result = await this.#migrated(action);
    this.#parts.reporter.migrateAnswered(action, result);
    this.#parts.happened({
      kind: 'migrateAnswered',
      shard: action.shard,
      endedAtMs: clock.monotonicMs(),
      result,
    });
    this.#parts.lookNow([action.source, action.target]);
  }

  async #migrated(action: MigrateAction): Promise<Result<void, NodeError>> {
    const target = this.#endpoint(action.target, action.targetAddress);
    const ended = await this.#parts.client.endImports(target, END_CLIENTS_DEADLINE_MS);
    if (!ended.ok) return err(notAsked(ended.error));
    const confirmed = await this.#parts.confirm(this.#parts.record().cluster.version);
    return confirmed.ok ? this.#sendMigrate(action) : confirmed;
  }

  #sendMigrate(action: MigrateAction): Promise<Result<void, NodeError>> {
    const { source, sourceAddress, range, target } = action;
    this.#parts.reporter.migrating(action);
    const endpoint = this.#endpoint(source, sourceAddress);
    return this.#parts.client.migrate(endpoint, range, target, MIGRATE_DEADLINE_MS);
  }

  /** The words of each member count as soon as they are there: a majority may have spoken while one hangs. */
  async #inquire({ nodes }: InquireAction): Promise<void> {
    const { witnesses } = this.#parts;
    const { namespace, cluster } = this.#parts.record();
    const asked = witnesses.ask({ namespace, cluster: cluster.name }, nodes);
    await Promise.all(asked.map(async (words) => this.#heard(nodes, await words, false)));
    this.#heard(nodes, new Map(), true);
  }

  #heard(nodes: readonly NodeId[], said: ReadonlyMap<NodeId, WordMemory>, isOver: boolean): void {
    const endedAtMs = this.#parts.clock.monotonicMs();
    const words = new Map(
      nodes.map((id) => {
        const word = said.get(id);
        return [id, word === undefined ? [] : [word]];
      }),
    );
    this.#parts.happened({ kind: 'inquired', endedAtMs, words, isOver });
  }

  async #inspectSpare({ spare, isToUse }: InspectSpareAction): Promise<void> {
    this.#parts.happened({ kind: 'spareLooked', look: await lookAtSpare(this.#parts, spare, isToUse) });
  }

  #endpoint(id: NodeId, address: NodeAddress): NodeEndpoint {
    const password = findNode(this.#parts.record().cluster, id)?.node.password ?? Secret.none;
    return { address, password };
  }
}

/** The source was sent nothing, whatever became of what its target was asked for. */
function notAsked({ message }: NodeError): NodeError {
  return { kind: 'ownFault', message: `not sent: the target could not be made ready for it: ${message}` };
}
