// A failover that a person asked for: fresh looks, the same rules as an automatic one, and an answer with the reason.

import type { Clock, Timer } from '../base/clock.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { CommitAction, CommitReason } from '../control/actions.ts';
import { electCandidate } from '../control/candidates.ts';
import type { FailoverRefusal } from '../control/failover-request.ts';
import { isFresh, masterView, nodeName, type Situation, viewOf } from '../control/situation.ts';
import { promote } from '../topology/change-nodes.ts';
import { masterOf, replicasOf } from '../topology/cluster.ts';
import { describe } from '../topology/errors.ts';
import type { ChangeError, ClusterRecord } from '../topology/record.ts';
import type { Cluster, Node, NodeId, Shard } from '../topology/types.ts';

export interface ManualFailoverPorts {
  readonly clock: Clock;
  readonly lookNow: (ids: readonly NodeId[]) => void;
  /** The record and what is known of its nodes, as of now. */
  readonly current: () => { readonly record: ClusterRecord; readonly situation: Situation };
  /** Commits `action.next` in place of `from` under the term's fence. */
  readonly commit: (from: ClusterRecord, action: CommitAction) => Promise<Result<void, ChangeError>>;
}

/** Replicas that were not heard within this time after the request are not candidates; longer than any probe's deadline. */
const LOOKS_WAIT_MS = 1_500;

/** How long the answer waits for the new master to take its role; the change is committed either way. */
const TOLD_WAIT_MS = 5_000;

/** The automatic side may commit in between; then the choice is made anew. */
const ATTEMPTS_MAX = 3;

interface Wait {
  readonly isOver: () => boolean;
  readonly resolve: () => void;
  readonly timer: Timer;
}

/** Runs one manual failover at a time for one cluster. */
export class ManualFailover {
  readonly #ports: ManualFailoverPorts;
  #running: Promise<unknown> | null = null;
  #wait: Wait | null = null;
  #isStopped = false;

  constructor(ports: ManualFailoverPorts) {
    this.#ports = ports;
  }

  /** Resolves with the new master's id when it was told, or after a bounded time. Never takes another node than `preferred`. */
  async run(shardIndex: number, preferred: NodeId | null): Promise<Result<NodeId, FailoverRefusal>> {
    if (this.#isStopped) return err({ kind: 'notLeader' });
    if (this.#running !== null) return refused('another failover of this cluster is under way, please retry');
    const run = this.#run(shardIndex, preferred);
    this.#running = run;
    try {
      return await run;
    } finally {
      this.#running = null;
    }
  }

  /** To be called after every decision: what is waited for may have come true. */
  turned(): void {
    if (this.#wait?.isOver() === true) this.#endWait();
  }

  /** Ends every waiting; what is being committed ends by itself. */
  stop(): void {
    this.#isStopped = true;
    this.#endWait();
  }

  async ended(): Promise<void> {
    await this.#running;
  }

  async #run(shardIndex: number, preferred: NodeId | null): Promise<Result<NodeId, FailoverRefusal>> {
    for (let attempt = 1; ; attempt += 1) {
      const chosen = await this.#choose(shardIndex, preferred);
      if (!chosen.ok) return chosen;
      const { record, action, newMaster } = chosen.value;
      const outcome = await this.#ports.commit(record, action);
      if (outcome.ok) {
        await this.#untilTold(newMaster);
        return ok(newMaster);
      }
      const { error } = outcome;
      if (error.kind === 'tooLarge') return refused(error.reason);
      if (error.kind !== 'conflict' || attempt === ATTEMPTS_MAX || this.#isStopped) return err(error);
    }
  }

  async #choose(shardIndex: number, preferred: NodeId | null): Promise<Result<Choice, FailoverRefusal>> {
    const shard = shardAt(this.#ports.current().record.cluster, shardIndex);
    if (!shard.ok) return shard;
    const unfit = preferred === null ? null : unfitReason(shard.value, preferred);
    if (unfit !== null) return refused(unfit);
    const askedAtMs = this.#ports.clock.monotonicMs();
    await this.#untilLooked(shard.value, askedAtMs);
    if (this.#isStopped) return err({ kind: 'notLeader' });
    // The record may have changed while the nodes were asked: everything below is about one and the same record.
    const { record, situation } = this.#ports.current();
    return chooseNewMaster({ record, situation, shardIndex, preferred, askedAtMs });
  }

  /** Until every node of the shard has answered a look that began after the request, or time is up. */
  #untilLooked(shard: Shard, askedAtMs: number): Promise<void> {
    const ids = shard.nodes.map((node) => node.id);
    this.#ports.lookNow(ids);
    return this.#until(LOOKS_WAIT_MS, () => {
      const { situation } = this.#ports.current();
      return ids.every((id) => {
        const view = situation.views.get(id);
        return view === undefined || isFresh(view, askedAtMs);
      });
    });
  }

  #untilTold(newMaster: NodeId): Promise<void> {
    return this.#until(TOLD_WAIT_MS, () => {
      const view = this.#ports.current().situation.views.get(newMaster);
      return view === undefined || view.need.kind === 'nothing';
    });
  }

  #until(limitMs: number, isOver: () => boolean): Promise<void> {
    if (this.#isStopped || isOver()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#ports.clock.setTimer(limitMs, () => this.#endWait());
      this.#wait = { isOver, resolve, timer };
    });
  }

  #endWait(): void {
    const wait = this.#wait;
    this.#wait = null;
    wait?.timer.cancel();
    wait?.resolve();
  }
}

interface Choice {
  readonly record: ClusterRecord;
  readonly action: CommitAction;
  readonly newMaster: NodeId;
}

interface ChoiceInput {
  readonly record: ClusterRecord;
  readonly situation: Situation;
  readonly shardIndex: number;
  readonly preferred: NodeId | null;
  /** Only replicas that answered a look begun since then are candidates. */
  readonly askedAtMs: number;
}

/** The next topology, or why there is none. Pure: the rules for replicas are those of `control`. */
export function chooseNewMaster(input: ChoiceInput): Result<Choice, FailoverRefusal> {
  const { record, situation, shardIndex, preferred } = input;
  const shard = shardAt(record.cluster, shardIndex);
  if (!shard.ok) return shard;
  const unfit = preferred === null ? null : unfitReason(shard.value, preferred);
  if (unfit !== null) return refused(unfit);
  const asked = replicasOf(shard.value).filter((node) => preferred === null || node.id === preferred);
  const unusable = asked.flatMap((node) => unusableReason(input, shard.value, node) ?? []);
  const usable = asked.filter((node) => unusableReason(input, shard.value, node) === null);
  const election = electCandidate(situation, withReplicas(shard.value, usable));
  switch (election.kind) {
    case 'wait':
      return refused(`no replica can take over yet: ${election.why}`);
    case 'nobody': {
      const reasons = [...(usable.length > 0 ? election.refusals : []), ...unusable];
      return refused(`no replica can take over: ${reasons.join('; ') || 'the shard has none'}`);
    }
    default:
      break;
  }
  const { view, why } = election.candidate;
  const newMaster = view.node.id;
  const next = promote(record.cluster, shardIndex, newMaster);
  if (!next.ok) return refused(describe(next.error));
  const from = masterOf(shard.value).id;
  const text = `asked for by hand; replica ${nodeName(view)} takes over: ${why}`;
  const reason: CommitReason = { kind: 'failover', shardIndex, from, to: newMaster, text };
  return ok({ record, action: { kind: 'commit', next: next.value, reasons: [reason] }, newMaster });
}

/** Judging a part of the replicas is judging a shard that has only these. */
function withReplicas(shard: Shard, replicas: readonly Node[]): Shard {
  return { ...shard, nodes: [masterOf(shard), ...replicas] };
}

/**
 * What a request adds to the rules for dead masters: a replica has to answer now, and while the master answers too, its
 * link has to be up now, else everything written since it broke would be lost.
 */
function unusableReason({ situation, askedAtMs }: ChoiceInput, shard: Shard, node: Node): string | null {
  const view = viewOf(situation, node.id);
  const name = `replica ${nodeName(view)}`;
  if (!isFresh(view, askedAtMs)) {
    const message = view.memory.error === null ? '' : ` (${view.memory.error.message})`;
    return `${name} did not bring a report${message}`;
  }
  const isMasterAlive = isFresh(masterView(situation, shard), askedAtMs);
  return isMasterAlive && view.report?.link !== 'up'
    ? `${name} has no link to the master, which is alive`
    : null;
}

function unfitReason(shard: Shard, preferred: NodeId): string | null {
  const node = shard.nodes.find((candidate) => candidate.id === preferred);
  if (node === undefined) return `preferred_node_id: node ${preferred} is not in this shard`;
  return node.role === 'master'
    ? `preferred_node_id: node ${preferred} is already the master of this shard`
    : null;
}

function shardAt(cluster: Cluster, shardIndex: number): Result<Shard, FailoverRefusal> {
  const shard = cluster.shards[shardIndex];
  return shard === undefined ? err({ kind: 'missing' }) : ok(shard);
}

function refused(reason: string): { readonly ok: false; readonly error: FailoverRefusal } {
  return err({ kind: 'refused', reason });
}
