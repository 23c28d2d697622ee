// Everything a Kvrocks node can be asked by this program.

import type { Clock } from '../base/clock.ts';
import { type Random, randomHex } from '../base/random.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { SlotService } from '../control/imported-hand-over.ts';
import type { LeaseAnswer } from '../control/lease-memory.ts';
import type { LeaseRenewal, NodeEndpoint, ResetOutcome, TopologyPush } from '../control/node-commands.ts';
import type { NodeError, ProbeResult } from '../control/observation.ts';
import type { NodeTuning } from '../topology/tuning.ts';
import type { NodeAddress, NodeId, Slot, SlotRange } from '../topology/types.ts';
import { CLIENT_LIST_BYTES_MAX } from './commands/client-list.ts';
import { CLUSTER_NODES_BYTES_MAX, clusterNodes } from './commands/cluster-nodes.ts';
import type { Inspection } from './commands/inspect.ts';
import { fencePassword, setPassword } from './commands/fence.ts';
import { migrate } from './commands/migrate.ts';
import { outrun } from './commands/outrun.ts';
import { reset } from './commands/reset.ts';
import { setNodeId, setNodes } from './commands/set-topology.ts';
import { slotService } from './commands/slot-service.ts';
import { migrateSpeed, migrateType, setTuning } from './commands/tuning.ts';
import { NodeConnection, RELOGIN, type Session } from './connection.ts';
import { endClients, endImports } from './ended-clients.ts';
import { ask, final, replyAt, send } from './exchange.ts';
import { inspect } from './inspection.ts';
import { renewLease } from './lease-renewal.ts';
import type { LinkFailure } from './link.ts';
import { look } from './look.ts';
import type { Names } from './names.ts';
import { ConnectionPool } from './pool.ts';
import { isListed } from './replica-proof.ts';
import { groupsOf, type SameProcesses, type Sighting, sign, signatures } from './same-process.ts';

export interface KvrocksClientParts {
  readonly clock: Clock;
  readonly names: Names;
}

/** Largest reply in bytes where nothing smaller is known: none of what is asked for comes near it. */
const REPLY_BYTES_MAX = 1024 * 1024;

/** Addresses asked for their clients at once, at most: each list may have megabytes. */
const LISTS_AT_ONCE_MAX = 16;

/**
 * The client: one lasting connection a node for what is observed and for the topologies decided on it, a connection of its
 * own for what is rare. No method rejects or throws on what a node does; each resolves at its deadline (milliseconds) at
 * the latest.
 */
export class KvrocksClient {
  readonly #parts: KvrocksClientParts;
  readonly #pool: ConnectionPool;
  /** Connections made for one exchange, so that `close` ends them too. */
  readonly #brief = new Set<NodeConnection>();
  #isClosed = false;
  #onLost: (address: NodeAddress) => void = () => undefined;

  constructor(parts: KvrocksClientParts) {
    this.#parts = parts;
    const onLost = (address: NodeAddress): void => this.#onLost(address);
    this.#pool = new ConnectionPool({ ...parts, replyBytesMax: CLIENT_LIST_BYTES_MAX, onLost });
  }

  /** `listener` is told when a node ends its lasting connection: at once when its process ends. One listener. */
  watchLost(listener: (address: NodeAddress) => void): void {
    this.#onLost = listener;
  }

  /**
   * One look at the node. While a topology is being pushed it waits, and is `timedOut` when its deadline passes first. Of a node with a version
   * above `knownVersion` it brings the topology, too.
   */
  async probe(endpoint: NodeEndpoint, deadlineMs: number, knownVersion = Infinity): Promise<ProbeResult> {
    const report = await this.#lasting(endpoint, deadlineMs, (session) =>
      look(session, { knownVersion, isListedBy: (master, replica) => this.#isListedBy(master, replica) }),
    );
    return report.ok ? { kind: 'answered', report: report.value } : { kind: 'failed', error: report.error };
  }

  /**
   * SETNODEID (only when asked for) and SETNODES in one write, on the connection that looks use: what is observed is what
   * can be acted on, also on a node that takes no other client. The node answers nobody while it works on them, more than
   * 10 s at worst (facts section 3.6). Both replies have to be OK. A fence is taken down with it.
   */
  setTopology(
    endpoint: NodeEndpoint,
    push: TopologyPush,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    const topology = [...(push.id === null ? [] : [setNodeId(push.id)]), setNodes(push)];
    return this.#lasting(endpoint, deadlineMs, async (session) => {
      const commands = session.isFenced ? [setPassword(endpoint.password), ...topology] : topology;
      const outcome = await send(session, { commands: commands.map(({ words }) => words), isAlone: true });
      if (!outcome.ok) return outcome;
      for (const [index, command] of commands.entries()) {
        const result = command.parse(replyAt(outcome.value, index));
        if (!result.ok) return final(result.error);
      }
      if (session.isFenced) session.link.destroy(RELOGIN);
      return ok(undefined);
    });
  }

  /** Ends the connections of all clients but the one that looks use, and waits until they are closed at the node: a topology may follow at once. */
  endClients(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    return this.#lasting(endpoint, deadlineMs, endClients);
  }

  /** Ends the connections over which slots came to the node before, in the same way; `refused` when some are coming to it now. */
  endImports(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    return this.#briefly(endpoint, deadlineMs, endImports, CLIENT_LIST_BYTES_MAX);
  }

  /** Gives the node a password that no other node knows: whoever wants to copy it is turned away (`commands/fence.ts`). */
  fence(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    const command = setPassword(fencePassword(endpoint.password));
    return this.#lasting(endpoint, deadlineMs, async (session) => {
      const answer = await ask(session, command);
      // What is logged in stays so: the next look shows whether the fence stands.
      if (answer.ok) session.link.destroy(RELOGIN);
      return answer;
    });
  }

  /**
   * Renews the lease of a master, on the connection that looks use: a node that takes no other client must not lose its lease by that. `deadlineMs`
   * covers the questions in front of it, too.
   */
  async renewLease(endpoint: NodeEndpoint, renewal: LeaseRenewal, deadlineMs: number): Promise<LeaseAnswer> {
    const answer = await this.#lasting(endpoint, deadlineMs, (session) => renewLease(session, renewal));
    return answer.ok ? answer.value : { kind: 'unsent', why: answer.error.message };
  }

  /** Has the node forget its topology and its id; one with data keeps them. */
  reset(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<ResetOutcome, NodeError>> {
    return this.#lasting(endpoint, deadlineMs, (session) => ask(session, reset));
  }

  /** Queues a slot migration at its source, on a connection of its own: a slow look must not leave its outcome open. */
  migrate(
    endpoint: NodeEndpoint,
    range: SlotRange,
    target: NodeId,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    const command = migrate(range, target);
    return this.#briefly(endpoint, deadlineMs, (session) => ask(session, command));
  }

  /** How the node sends slots, of what is not null in `asked`; a setting that it does not know is an error. */
  readTuning(
    endpoint: NodeEndpoint,
    asked: NodeTuning,
    deadlineMs: number,
  ): Promise<Result<NodeTuning, NodeError>> {
    return this.#lasting(endpoint, deadlineMs, async (session) => {
      const speed = asked.speed === null ? ok(null) : await ask(session, migrateSpeed);
      if (!speed.ok) return speed;
      const type = asked.type === null ? ok(null) : await ask(session, migrateType);
      return type.ok ? ok({ speed: speed.value, type: type.value }) : type;
    });
  }

  /** Changes that, one setting after the other; the first that fails ends it. */
  setTuning(
    endpoint: NodeEndpoint,
    wanted: NodeTuning,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    return this.#lasting(endpoint, deadlineMs, async (session) => {
      for (const command of setTuning(wanted)) {
        const answer = await ask(session, command);
        if (!answer.ok) return answer;
      }
      return ok(undefined);
    });
  }

  /** Whether this is a Kvrocks node that can be taken in. A password that the node does not have is an error here. */
  inspect(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<Inspection, NodeError>> {
    return this.#briefly(endpoint, deadlineMs, (session) =>
      inspect(session, (master, replica) => this.#isListedBy(master, replica)),
    );
  }

  /** The text of CLUSTER NODES, untrusted and at most 1 MiB; `notInitialized` when the node has no topology. */
  clusterNodes(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<string, NodeError>> {
    return this.#briefly(
      endpoint,
      deadlineMs,
      (session) => ask(session, clusterNodes),
      CLUSTER_NODES_BYTES_MAX,
    );
  }

  /** How the node serves each of `slots`, in their order, asked in one write that changes nothing. */
  slotServices(
    endpoint: NodeEndpoint,
    slots: readonly Slot[],
    deadlineMs: number,
  ): Promise<Result<readonly SlotService[], NodeError>> {
    return this.#briefly(endpoint, deadlineMs, async (session) => {
      const commands = slots.map((slot) => slotService(slot));
      const outcome = await send(session, { commands: commands.map(({ words }) => words) });
      if (!outcome.ok) return outcome;
      const services: SlotService[] = [];
      for (const [index, command] of commands.entries()) {
        const service = command.parse(replyAt(outcome.value, index));
        if (!service.ok) return final(service.error);
        services.push(service.value);
      }
      return ok(services);
    });
  }

  /** Moves the node's sequence on by `count` (1..20,000), by writing one reserved key. */
  outrun(endpoint: NodeEndpoint, count: number, deadlineMs: number): Promise<Result<void, NodeError>> {
    const command = outrun(count);
    return this.#briefly(endpoint, deadlineMs, (session) => ask(session, command));
  }

  /**
   * Which of these addresses lead to one and the same process. Every connection is given a random name, then every process
   * is asked for the names it sees. `deadlineMs` is for all of it, half of it for the names: one node that does not answer
   * must not use up the time of the others.
   */
  async sameProcess(
    endpoints: readonly NodeEndpoint[],
    random: Random,
    deadlineMs: number,
  ): Promise<SameProcesses> {
    const untilMs = this.#parts.clock.monotonicMs() + deadlineMs;
    const leftMs = (): number => Math.max(0, untilMs - this.#parts.clock.monotonicMs());
    const failures = new Map<NodeAddress, NodeError>();
    const signed = endpoints.map((endpoint) => ({
      address: endpoint.address,
      nonce: randomHex(random, 32),
      connection: this.#openBrief(endpoint, CLIENT_LIST_BYTES_MAX),
    }));
    await Promise.all(
      signed.map(async ({ address, nonce, connection }) => {
        const result = await connection.use(deadlineMs / 2, (session) => sign(session, nonce));
        if (!result.ok) failures.set(address, result.error);
      }),
    );
    const sightings = new Map<string, Sighting>();
    const asked = signed.filter(({ address }) => !failures.has(address));
    for (let from = 0; from < asked.length; from += LISTS_AT_ONCE_MAX) {
      await Promise.all(
        asked.slice(from, from + LISTS_AT_ONCE_MAX).map(async ({ address, nonce, connection }) => {
          const seen = await connection.use(leftMs(), signatures);
          if (!seen.ok) failures.set(address, seen.error);
          else if (seen.value.includes(nonce)) sightings.set(nonce, { address, nonce, seen: seen.value });
          else failures.set(address, LOST);
        }),
      );
    }
    for (const { connection } of signed) this.#closeBrief(connection);
    // In the order asked for, whoever answered first.
    const ordered = signed.flatMap(({ nonce }) => sightings.get(nonce) ?? []);
    return { groups: groupsOf(ordered), failures };
  }

  /** Closes the lasting connection to `address`; whatever was under way on it resolves as `connectionLost`. */
  release(address: NodeAddress): void {
    this.#pool.release(address);
  }

  /** Closes all connections for good; later calls resolve as `ownFault`. */
  close(): void {
    this.#isClosed = true;
    this.#pool.close();
    for (const connection of this.#brief) connection.close();
  }

  #lasting<T>(
    endpoint: NodeEndpoint,
    deadlineMs: number,
    work: (session: Session) => Promise<Result<T, LinkFailure>>,
  ): Promise<Result<T, NodeError>> {
    if (this.#isClosed) return Promise.resolve(CLOSED);
    return this.#pool.connection(endpoint).use(deadlineMs, work);
  }

  async #briefly<T>(
    endpoint: NodeEndpoint,
    deadlineMs: number,
    work: (session: Session) => Promise<Result<T, LinkFailure>>,
    replyBytesMax = REPLY_BYTES_MAX,
  ): Promise<Result<T, NodeError>> {
    const connection = this.#openBrief(endpoint, replyBytesMax);
    const result = await connection.use(deadlineMs, work);
    this.#closeBrief(connection);
    return result;
  }

  #openBrief(endpoint: NodeEndpoint, replyBytesMax: number): NodeConnection {
    const connection = new NodeConnection(endpoint, { ...this.#parts, replyBytesMax });
    if (this.#isClosed) connection.close();
    else this.#brief.add(connection);
    return connection;
  }

  #closeBrief(connection: NodeConnection): void {
    this.#brief.delete(connection);
    connection.close();
  }

  /** Asks `master`, over the connection to it if there is one: nodes of one cluster have one password (facts section 4). */
  async #isListedBy(master: NodeAddress, replica: Session): Promise<boolean> {
    const known = this.#pool.known(master);
    const endpoint: NodeEndpoint = { address: master, password: replica.endpoint.password };
    const listed = await (known === null
      ? this.#briefly(endpoint, replica.leftMs(), (session) => isListed(session, replica))
      : known.use(replica.leftMs(), (session) => isListed(session, replica)));
    return listed.ok && listed.value;
  }
}

/** The process does not see the connection that was named: another one answers meanwhile, or it was broken. */
const LOST: NodeError = {
  kind: 'connectionLost',
  message: 'the connection was lost while it was looked for',
};

const CLOSED = err({ kind: 'ownFault', message: 'not sent: this controller is stopping' } as const);
