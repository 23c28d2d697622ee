// Everything a Kvrocks node can be asked by this program.

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { NodeEndpoint, TopologyPush } from '../control/node-commands.ts';
import type { NodeError, ProbeResult } from '../control/observation.ts';
import type { NodeAddress, NodeId, SlotRange } from '../topology/types.ts';
import { clusterNodes } from './commands/cluster-nodes.ts';
import type { NodeCommand } from './commands/command.ts';
import { type Inspection, INSPECT_WORDS, parseInspection } from './commands/inspect.ts';
import { migrate } from './commands/migrate.ts';
import { parseProbe, PROBE_WORDS } from './commands/probe.ts';
import { setNodeId, setNodes } from './commands/set-topology.ts';
import { NodeConnection } from './connection.ts';
import type { CommandWords, Outcome } from './link.ts';
import { ConnectionPool } from './pool.ts';

/**
 * The client: one lasting connection a node for what is frequent and quick, a connection of its own for what is rare or
 * slow. No method rejects or throws on what a node does; each resolves at its deadline (milliseconds) at the latest.
 */
export class KvrocksClient {
  readonly #clock: Clock;
  readonly #pool: ConnectionPool;
  /** Connections made for one exchange, so that `close` ends them too. */
  readonly #brief = new Set<NodeConnection>();
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#pool = new ConnectionPool(clock);
  }

  /** One look at the node, in one write. */
  async probe(endpoint: NodeEndpoint, deadlineMs: number): Promise<ProbeResult> {
    const replies = await this.#lasting(endpoint, PROBE_WORDS, deadlineMs);
    const report = replies.ok ? parseProbe(replies.value) : replies;
    return report.ok ? { kind: 'answered', report: report.value } : { kind: 'failed', error: report.error };
  }

  /** Queues a slot migration at its source. */
  async migrate(
    endpoint: NodeEndpoint,
    range: SlotRange,
    target: NodeId,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    const command = migrate(range, target);
    return parseOnly(command, await this.#lasting(endpoint, [command.words], deadlineMs));
  }

  /**
   * SETNODEID (only when asked for) and SETNODES in one write, on a connection of their own: the node answers nobody
   * while it works on them, more than 10 s at worst (facts section 3.6). Both replies have to be OK.
   */
  async setTopology(
    endpoint: NodeEndpoint,
    push: TopologyPush,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    const commands = [...(push.id === null ? [] : [setNodeId(push.id)]), setNodes(push)];
    const { outcome } = await this.#briefly(
      endpoint,
      commands.map((command) => command.words),
      deadlineMs,
    );
    if (!outcome.ok) return outcome;
    for (const [index, command] of commands.entries()) {
      const reply = outcome.value[index];
      assert(reply !== undefined, 'one reply a command');
      const result = command.parse(reply);
      if (!result.ok) return result;
    }
    return ok(undefined);
  }

  /** Whether this is a Kvrocks node that can be taken in. A password that the node does not have is an error here. */
  async inspect(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<Inspection, NodeError>> {
    const { outcome, hasNeedlessPassword } = await this.#briefly(endpoint, INSPECT_WORDS, deadlineMs);
    if (!outcome.ok) return outcome;
    if (hasNeedlessPassword)
      return err({ kind: 'passwordNotSet', message: 'a password was given but the node has none set' });
    return parseInspection(outcome.value);
  }

  /** The text of CLUSTER NODES, untrusted; `notInitialized` when the node has no topology. */
  async clusterNodes(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<string, NodeError>> {
    const { outcome } = await this.#briefly(endpoint, [clusterNodes.words], deadlineMs);
    return parseOnly(clusterNodes, outcome);
  }

  /** Closes the lasting connection to `address`; whatever was under way on it resolves as `connectionLost`. */
  release(address: NodeAddress): void {
    this.#pool.release(address);
  }

  /** Closes all connections for good; later calls resolve as `unreachable`. */
  close(): void {
    this.#isClosed = true;
    this.#pool.close();
    for (const connection of this.#brief) connection.close();
  }

  #lasting(endpoint: NodeEndpoint, commands: readonly CommandWords[], deadlineMs: number): Promise<Outcome> {
    if (this.#isClosed) return Promise.resolve(CLOSED);
    return this.#pool.connection(endpoint).request(commands, deadlineMs);
  }

  async #briefly(
    endpoint: NodeEndpoint,
    commands: readonly CommandWords[],
    deadlineMs: number,
  ): Promise<BriefOutcome> {
    if (this.#isClosed) return { outcome: CLOSED, hasNeedlessPassword: false };
    const connection = new NodeConnection(endpoint, this.#clock);
    this.#brief.add(connection);
    const outcome = await connection.request(commands, deadlineMs);
    const { hasNeedlessPassword } = connection;
    this.#brief.delete(connection);
    connection.close();
    return { outcome, hasNeedlessPassword };
  }
}

interface BriefOutcome {
  readonly outcome: Outcome;
  readonly hasNeedlessPassword: boolean;
}

const CLOSED: Outcome = err({ kind: 'unreachable', message: 'not sent: this controller is stopping' });

function parseOnly<T>(command: NodeCommand<T>, outcome: Outcome): Result<T, NodeError> {
  if (!outcome.ok) return outcome;
  const reply = outcome.value[0];
  assert(reply !== undefined, 'one reply a command');
  return command.parse(reply);
}
