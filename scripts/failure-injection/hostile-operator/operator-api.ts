// Every call to the controllers that the hostile operator makes, and what their answers say.

import { z } from 'zod';

import { type Answer, type Call, HttpClient } from '../http-client.ts';
import type { ClusterSeen, ShardSeen, SlotRange } from './fleet-seen.ts';
import { parseTasks, type TaskSeen } from './task-seen.ts';

/** A failover by hand waits for nodes that may take 10 s for a topology. */
const TIMEOUT_MS = 40_000;
/** How long a request is repeated that certainly had no effect: no leader, nobody listens. */
const RETRY_MS = 20_000;
const RETRY_INTERVAL_MS = 200;
const NAMESPACE = 'hostile';
const CLUSTER = 'operator';
const BASE = `/api/v1/namespaces/${NAMESPACE}/clusters`;

/** What the API answered to a change. */
export interface Told {
  readonly ok: boolean;
  /** Status and text, or why there was no answer. */
  readonly words: string;
  /** 409: what was asked for is refused, with a remedy in the words. */
  readonly isRefused: boolean;
}

const CLUSTER_ANSWER = z.object({
  data: z.object({
    cluster: z.object({
      version: z.number(),
      shards: z.array(
        z.object({
          nodes: z.array(z.object({ id: z.string(), addr: z.string(), role: z.enum(['master', 'slave']) })),
          slot_ranges: z.array(z.string()).nullable(),
          migrating_slot: z.union([z.number(), z.string()]),
        }),
      ),
    }),
  }),
});

const STATUS_ANSWER = z.object({
  data: z.object({ status: z.object({ problems: z.array(z.object({ kind: z.string() })) }) }),
});

const CHECK_ANSWER = z.object({
  data: z.object({
    check: z.object({
      is_clean: z.boolean(),
      findings: z.array(z.object({ severity: z.string(), kind: z.string(), text: z.string() })),
    }),
  }),
});

/** What people may want of a task. */
export type TaskWish = 'pause' | 'resume' | 'cancel' | 'retry';

/** Slots that are to come to one shard. */
export interface MoveWanted {
  readonly ranges: readonly SlotRange[];
  readonly target: number;
  /** The most slots of one job; null leaves it to the controllers. */
  readonly batch: number | null;
}

/** An even spread, but for what is said of single shards. */
export interface SpreadWanted {
  /** By the index of the shard; 1 for every other. */
  readonly weights: Readonly<Record<string, number>>;
  readonly batch: number | null;
}

/** Requests go to any member; redirects are followed. */
export class OperatorApi {
  readonly #http = new HttpClient(TIMEOUT_MS);
  readonly #urls: readonly string[];
  readonly #pause: (ms: number) => Promise<void>;
  readonly #signal: AbortSignal;
  #turn = 0;

  /** Nothing is asked again once `signal` has come. */
  constructor(urls: readonly string[], pause: (ms: number) => Promise<void>, signal: AbortSignal) {
    this.#urls = urls;
    this.#pause = pause;
    this.#signal = signal;
  }

  async createCluster(addresses: readonly string[], nodesPerShard: number): Promise<Told> {
    const made = await this.#change({
      method: 'POST',
      path: '/api/v1/namespaces',
      body: { namespace: NAMESPACE },
    });
    if (!made.ok) return made;
    const body = { name: CLUSTER, nodes: addresses, replicas: nodesPerShard };
    return this.#change({ method: 'POST', path: BASE, body });
  }

  /** The cluster now; null when no controller tells. */
  async cluster(): Promise<ClusterSeen | null> {
    const answer = await this.#send({ method: 'GET', path: `${BASE}/${CLUSTER}` });
    return answer.kind === 'answered' && answer.status === 200 ? parseCluster(answer.text) : null;
  }

  /** Kinds of what is wrong with the cluster, as its status tells; none when no controller tells. */
  async problems(): Promise<readonly string[]> {
    const answer = await this.#send({ method: 'GET', path: `${BASE}/${CLUSTER}/status` });
    if (answer.kind !== 'answered' || answer.status !== 200) return [];
    const parsed = STATUS_ANSWER.safeParse(JSON.parse(answer.text));
    return parsed.success ? parsed.data.data.status.problems.map(({ kind }) => kind) : [];
  }

  /** `preferred` is the id of a replica; null leaves the choice to the controller. */
  async failover(shard: number, preferred: string | null): Promise<Told> {
    const body = preferred === null ? {} : { preferred_node_id: preferred };
    return this.#change({ method: 'POST', path: `${this.#shard(shard)}/failover`, body });
  }

  async migrate({ ranges, target, batch }: MoveWanted): Promise<Told> {
    const slots = ranges.map(({ start, stop }) => `${start}-${stop}`);
    return this.#ask('/migrate', { target, slots, ...batchOf(batch) });
  }

  async rebalance({ weights, batch }: SpreadWanted): Promise<Told> {
    return this.#ask('/rebalance', { weights, ...batchOf(batch) });
  }

  async scaleOut(
    addresses: readonly string[],
    { nodesPerShard, weights, batch }: SpreadWanted & { readonly nodesPerShard: number },
  ): Promise<Told> {
    const body = { nodes: addresses, replicas: nodesPerShard, weights, ...batchOf(batch) };
    return this.#ask('/scale-out', body);
  }

  async scaleIn(shards: readonly number[], batch: number | null): Promise<Told> {
    return this.#ask('/scale-in', { shards, ...batchOf(batch) });
  }

  /** All that are kept, the newest first; null when no controller tells. */
  async tasks(): Promise<readonly TaskSeen[] | null> {
    const answer = await this.#send({ method: 'GET', path: `${BASE}/${CLUSTER}/migrations` });
    return answer.kind === 'answered' && answer.status === 200 ? parseTasks(answer.text) : null;
  }

  async wish(task: number, wish: TaskWish): Promise<Told> {
    return this.#ask(`/migrations/${task}/${wish}`);
  }

  /** What a check finds wrong, in words; empty when it is clean. */
  async check(): Promise<readonly string[]> {
    const answer = await this.#send({ method: 'GET', path: `${BASE}/${CLUSTER}/check` });
    if (answer.kind !== 'answered' || answer.status !== 200) return ['the check has no answer'];
    const { check } = CHECK_ANSWER.parse(JSON.parse(answer.text)).data;
    if (check.is_clean) return [];
    return check.findings.map(({ severity, kind, text }) => `${severity} ${kind}: ${text}`);
  }

  async addReplica(shard: number, addr: string): Promise<Told> {
    const body = { addr, role: 'slave' };
    return this.#change({ method: 'POST', path: `${this.#shard(shard)}/nodes`, body });
  }

  async removeNode(shard: number, id: string): Promise<Told> {
    return this.#change({ method: 'DELETE', path: `${this.#shard(shard)}/nodes/${id}` });
  }

  async addShard(addresses: readonly string[]): Promise<Told> {
    return this.#change({ method: 'POST', path: `${BASE}/${CLUSTER}/shards`, body: { nodes: addresses } });
  }

  async removeShard(shard: number): Promise<Told> {
    return this.#change({ method: 'DELETE', path: this.#shard(shard) });
  }

  async transferLead(): Promise<Told> {
    return this.#change({ method: 'POST', path: '/api/v1/controller/leader/transfer', body: {} });
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  /** A change of the cluster. */
  async #ask(path: string, body?: object): Promise<Told> {
    const call = { method: 'POST', path: `${BASE}/${CLUSTER}${path}` } as const;
    return this.#change(body === undefined ? call : { ...call, body });
  }

  #shard(index: number): string {
    return `${BASE}/${CLUSTER}/shards/${index}`;
  }

  async #change(call: Call): Promise<Told> {
    const answer = await this.#send(call);
    if (answer.kind !== 'answered') return { ok: false, words: answer.reason, isRefused: false };
    const { status, text } = answer;
    return { ok: status < 300, words: `${status} ${text.trim()}`, isRefused: status === 409 };
  }

  /** Repeats at the next member what certainly had no effect. */
  async #send(call: Call): Promise<Answer> {
    const endMs = performance.now() + RETRY_MS;
    for (;;) {
      this.#turn += 1;
      const url = this.#urls[this.#turn % this.#urls.length] ?? '';
      const answer = await this.#http.send(url, call);
      const hadNoEffect = answer.kind === 'notSent' || (answer.kind === 'answered' && answer.status === 503);
      if (!hadNoEffect || performance.now() > endMs || this.#signal.aborted) return answer;
      await this.#pause(RETRY_INTERVAL_MS);
    }
  }
}

function batchOf(batch: number | null): { readonly batch?: number } {
  return batch === null ? {} : { batch };
}

/** Null for an answer of another shape, and for a shard without a master. */
export function parseCluster(text: string): ClusterSeen | null {
  const parsed = CLUSTER_ANSWER.safeParse(JSON.parse(text));
  if (!parsed.success) return null;
  const { version, shards } = parsed.data.data.cluster;
  const seen: ShardSeen[] = [];
  for (const [index, shard] of shards.entries()) {
    const nodes = shard.nodes.map(({ id, addr, role }) => ({ id, address: addr, role }));
    const master = nodes.find(({ role }) => role === 'master');
    if (master === undefined) return null;
    seen.push({
      index,
      master,
      replicas: nodes.filter((node) => node !== master),
      ranges: (shard.slot_ranges ?? []).map((range) => parseRange(range)),
      migrating: shard.migrating_slot === -1 ? null : String(shard.migrating_slot),
    });
  }
  return { version, shards: seen };
}

function parseRange(text: string): SlotRange {
  const [start = '', stop = start] = text.split('-');
  return { start: Number(start), stop: Number(stop) };
}
