// A failover that a person asked for: fresh looks, the choice that control makes of them, and an answer with the reason.

import { present } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { CommitAction, CommitReason } from '../control/actions.ts';
import {
  type Choice,
  type HandChoice,
  chooseByHand,
  floorOf,
  isCatchingUp,
  unfitReason,
} from '../control/failover-by-hand.ts';
import type { FailoverDone, FailoverRefusal, FailoverRequest } from '../control/failover-request.ts';
import { type HandPlan, planByHand } from '../control/plan-by-hand.ts';
import { isFresh } from '../control/sight.ts';
import type { Situation } from '../control/situation.ts';
import { masterOf } from '../topology/cluster.ts';
import type { ChangeError, ClusterRecord } from '../topology/record.ts';
import type { Cluster, ClusterVersion, Node, NodeId, Shard, ShardId } from '../topology/types.ts';

/** What is asked of one cluster. */
export type HandRequest = Pick<FailoverRequest, 'shardIndex' | 'preferred' | 'isForced' | 'onlyFrom'>;

export interface ManualFailoverPorts {
  readonly clock: Clock;
  readonly lookNow: (ids: readonly NodeId[]) => void;
  /** The record and what is known of its nodes, as of now. */
  readonly current: () => { readonly record: ClusterRecord; readonly situation: Situation };
  /** Commits `action.next` in place of `from` under the term's fence. */
  readonly commit: (from: ClusterRecord, action: CommitAction) => Promise<Result<void, ChangeError>>;
  /** Drops what is remembered of a node, whose data counts from now on as it is. */
  readonly forget: (id: NodeId) => void;
  /** Whether a drain can be recorded now. */
  readonly canDrain: () => boolean;
  /** Milliseconds after which a drain that did not come to its end is undone. */
  readonly switchoverTimeoutMs: () => number;
}

/** Replicas that were not heard within this time after the request are not candidates; longer than any probe's deadline. */
const LOOKS_WAIT_MS = 1_500;

/** A replica that is only behind by what is on its way is looked at again after this pause. */
const CATCH_UP_PAUSE_MS = 20;

/** How long the answer waits for the new master to take its role and for the old one to be told; the change is committed either way. */
const TOLD_WAIT_MS = 5_000;

/** A drain is finished or undone by then, but for a store that does not answer. */
const DRAIN_MARGIN_MS = 5_000;

/** The automatic side may commit in between; then the choice is made anew. */
const ATTEMPTS_MAX = 3;

const DRAIN_LEFT =
  'the planned change of masters is still under way: whoever leads finishes it, or undoes it within seconds; look at the shard';

/** A drain that was committed: to whom, and at which version. */
interface BegunDrain {
  readonly newMaster: NodeId;
  readonly version: ClusterVersion;
}

/** Where a master stood when somebody asked; null when it does not answer. */
interface Floor {
  readonly master: NodeId;
  readonly sequence: number | null;
}

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
  /** Why the last drain was undone; null while one is under way. */
  #undoneWhy: string | null = null;
  /** By whom a dead master was replaced meanwhile, and why; null while none was. */
  #died: { readonly to: NodeId; readonly text: string } | null = null;

  constructor(ports: ManualFailoverPorts) {
    this.#ports = ports;
  }

  /** Resolves with the new master's id when it was told, or after a bounded time. Never takes another node than `preferred`. */
  run(request: HandRequest): Promise<Result<FailoverDone, FailoverRefusal>> {
    return this.#alone(() => this.#run(request));
  }

  /** What `run` would do now, and what it would cost. Looks at the shard as `run` does, and changes nothing. */
  plan(request: HandRequest): Promise<Result<HandPlan, FailoverRefusal>> {
    return this.#alone(async () => {
      const asked = await this.#asked(request);
      if (!asked.ok) return asked;
      const { record, situation } = this.#ports.current();
      const shard = record.cluster.shards[request.shardIndex];
      return shard === undefined
        ? err({ kind: 'missing' })
        : ok(planByHand(situation, { shard, choice: asked.value }));
    });
  }

  async #alone<T>(act: () => Promise<Result<T, FailoverRefusal>>): Promise<Result<T, FailoverRefusal>> {
    if (this.#isStopped) return err({ kind: 'notLeader' });
    if (this.#running !== null) return refused('another failover of this cluster is under way, please retry');
    const run = act();
    this.#running = run;
    try {
      return await run;
    } finally {
      this.#running = null;
    }
  }

  /** Reasons of a commit that the automatic side has made: whoever waits for a drain is told why it was undone, or not needed any more. */
  committed(reasons: readonly CommitReason[]): void {
    for (const reason of reasons) {
      if (reason.kind === 'drainUndone') this.#undoneWhy = reason.text;
      if (reason.kind === 'failover' && !reason.isDrained) this.#died = reason;
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

  async #run(request: HandRequest): Promise<Result<FailoverDone, FailoverRefusal>> {
    for (let attempt = 1; ; attempt += 1) {
      const chosen = await this.#choose(request);
      if (!chosen.ok) return chosen;
      const { record, action, newMaster, isDrain, isAcceptance, warning } = chosen.value;
      this.#undoneWhy = null;
      this.#died = null;
      const shard = present(record.cluster.shards[request.shardIndex], 'the shard of a choice is there');
      const outcome = await this.#ports.commit(record, action);
      if (outcome.ok) {
        if (isDrain) return this.#untilDrained(shard, { newMaster, version: action.next.version });
        if (isAcceptance) this.#ports.forget(newMaster);
        await this.#untilTold(action.next, newMaster, masterOf(shard).id);
        return ok({ newMaster, warning });
      }
      const { error } = outcome;
      if (error.kind === 'tooLarge') return refused(error.reason);
      if (error.kind !== 'conflict' || attempt === ATTEMPTS_MAX || this.#isStopped) return err(error);
    }
  }

  /** The decision finishes or undoes what was begun; whatever becomes of it is told here. */
  async #untilDrained(shard: Shard, drain: BegunDrain): Promise<Result<FailoverDone, FailoverRefusal>> {
    const { newMaster, version } = drain;
    const old = masterOf(shard).id;
    await this.#until(
      this.#ports.switchoverTimeoutMs() + DRAIN_MARGIN_MS,
      () => !this.#isDraining(shard.id, version),
    );
    const { cluster } = this.#ports.current().record;
    const now = cluster.shards.find(({ id }) => id === shard.id);
    if (now === undefined) return err({ kind: 'missing' });
    if (this.#isDraining(shard.id, version)) return err({ kind: 'unknown', reason: DRAIN_LEFT });
    const master = masterOf(now).id;
    await this.#untilTold(cluster, master, old);
    if (master === newMaster) return ok({ newMaster, warning: this.#warningOf(newMaster) });
    if (master === old)
      return refused(this.#undoneWhy ?? 'the planned change of masters was undone by another change');
    return refused(`the master died before ${newMaster} had everything, and ${master} took over`);
  }

  /** A master that dies in the midst of it is replaced like any other that dies. */
  #warningOf(newMaster: NodeId): string | null {
    return this.#died?.to === newMaster
      ? `the master died before it was known that all was handed over: ${this.#died.text}; what it lacks is lost`
      : null;
  }

  #isDraining(id: ShardId, version: ClusterVersion): boolean {
    const { shards } = this.#ports.current().record.cluster;
    return shards.find((shard) => shard.id === id)?.drain?.version === version;
  }

  async #choose(
    request: HandRequest,
  ): Promise<Result<Choice & { readonly record: ClusterRecord }, FailoverRefusal>> {
    const asked = await this.#asked(request);
    if (!asked.ok) return asked;
    // The record may have changed while the nodes were asked: everything below is about one and the same record.
    const { record, situation } = this.#ports.current();
    const shard = record.cluster.shards[request.shardIndex];
    const { onlyFrom } = request;
    if (shard !== undefined && masterOf(shard).id !== (onlyFrom ?? asked.value.master))
      return refused('the master of this shard has changed meanwhile');
    const choice = chooseByHand(situation, asked.value);
    return choice.ok ? ok({ ...choice.value, record }) : refused(choice.error);
  }

  /** The request once the nodes were heard, and as long as that is worth it, once a candidate has what it lacked. */
  async #asked(
    request: HandRequest,
  ): Promise<Result<HandChoice & { readonly master: NodeId }, FailoverRefusal>> {
    const shard = this.#ports.current().record.cluster.shards[request.shardIndex];
    if (shard === undefined) return err({ kind: 'missing' });
    const unfit = request.preferred === null ? null : unfitReason(shard, true, request);
    if (unfit !== null) return refused(unfit);
    const askedAtMs = this.#ports.clock.monotonicMs();
    await this.#untilLooked(this.#concerned(shard, request), askedAtMs);
    let floor: Floor | null = null;
    for (;;) {
      if (this.#isStopped) return err({ kind: 'notLeader' });
      const { record, situation } = this.#ports.current();
      const now = record.cluster.shards[request.shardIndex];
      if (now === undefined) return err({ kind: 'missing' });
      floor = floorNow(floor, situation, { shard: now, askedAtMs });
      const { master, sequence } = floor;
      const asked = { ...request, askedAtMs, floor: sequence, master, canDrain: this.#ports.canDrain() };
      if (chooseByHand(situation, asked).ok) return ok(asked);
      const nowMs = this.#ports.clock.monotonicMs();
      if (nowMs >= askedAtMs + LOOKS_WAIT_MS || !isCatchingUp(situation, asked)) return ok(asked);
      await this.#until(CATCH_UP_PAUSE_MS, () => false);
      await this.#untilLooked(shard.nodes, nowMs);
    }
  }

  /** Whose word a choice depends on: whether a master is accepted as it is also on what other masters have handed over to it. */
  #concerned(shard: Shard, { preferred }: HandRequest): readonly Node[] {
    if (preferred !== masterOf(shard).id) return shard.nodes;
    const { shards } = this.#ports.current().record.cluster;
    return [...shard.nodes, ...shards.filter(({ id }) => id !== shard.id).map(masterOf)];
  }

  /** Until every one of these nodes has answered a look that began after the request, or time is up. */
  #untilLooked(nodes: readonly Node[], askedAtMs: number): Promise<void> {
    const ids = nodes.map((node) => node.id);
    this.#ports.lookNow(ids);
    return this.#until(LOOKS_WAIT_MS, () => {
      const { situation } = this.#ports.current();
      return ids.every((id) => {
        const view = situation.views.get(id);
        return view === undefined || isFresh(view, askedAtMs);
      });
    });
  }

  /** Both have their places, or the old one does not answer: until it is told, it takes writes that will be lost. */
  #untilTold(next: Cluster, newMaster: NodeId, oldMaster: NodeId): Promise<void> {
    return this.#until(TOLD_WAIT_MS, () => {
      const { views } = this.#ports.current().situation;
      const successor = views.get(newMaster);
      if (successor !== undefined && successor.need.kind !== 'nothing') return false;
      const old = views.get(oldMaster);
      return old?.condition !== 'answering' || (old.report?.version ?? next.version) >= next.version;
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

/** The automatic side may have replaced the master meanwhile: then it is another one that lives, and has to let its clients go. */
function floorNow(
  known: Floor | null,
  situation: Situation,
  { shard, askedAtMs }: { readonly shard: Shard; readonly askedAtMs: number },
): Floor {
  const master = masterOf(shard).id;
  return known?.master === master ? known : { master, sequence: floorOf(situation, shard, askedAtMs) };
}

function refused(reason: string): { readonly ok: false; readonly error: FailoverRefusal } {
  return err({ kind: 'refused', reason });
}
