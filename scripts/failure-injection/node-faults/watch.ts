// Who is master of which shard, and who leads the controllers, looked at all the time: what happens meanwhile is not missed.

import { setTimeout as sleep } from 'node:timers/promises';

import type { GroupView } from '../group-view.ts';
import { POLL_MS } from '../hostile-operator/surroundings.ts';
import type { OperatorApi } from '../hostile-operator/operator-api.ts';

export interface MasterChange {
  /** When it was seen: up to a poll after it was committed. */
  readonly atMs: number;
  readonly shard: number;
  readonly from: string;
  readonly to: string;
}

export interface LeadChange {
  readonly atMs: number;
  readonly from: number | null;
  readonly to: number;
}

/** Changes since the beginning. */
export class Watch {
  readonly masterChanges: MasterChange[] = [];
  readonly leadChanges: LeadChange[] = [];
  readonly #api: OperatorApi;
  readonly #view: GroupView;
  readonly #now: () => number;
  readonly #masters = new Map<number, string>();
  readonly #running: Promise<void>;
  #leader: number | null = null;
  #isEnding = false;

  constructor(looks: { readonly api: OperatorApi; readonly view: GroupView; readonly now: () => number }) {
    this.#api = looks.api;
    this.#view = looks.view;
    this.#now = looks.now;
    this.#running = this.#loop();
  }

  /** Id of the member that leads; null while none is known. */
  get leader(): number | null {
    return this.#leader;
  }

  changesOf(shard: number, fromMs: number): readonly MasterChange[] {
    return this.masterChanges.filter((change) => change.shard === shard && change.atMs >= fromMs);
  }

  leadChangesSince(fromMs: number): readonly LeadChange[] {
    return this.leadChanges.filter(({ atMs }) => atMs >= fromMs);
  }

  async close(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (!this.#isEnding) {
      await this.#look();
      await sleep(POLL_MS);
    }
  }

  async #look(): Promise<void> {
    const [cluster, { id }] = await Promise.all([this.#api.cluster(), this.#view.leader()]);
    const atMs = this.#now();
    if (id !== null && id !== this.#leader) {
      if (this.#leader !== null) this.leadChanges.push({ atMs, from: this.#leader, to: id });
      this.#leader = id;
    }
    // A shard that was removed; another may come in its place.
    if (cluster !== null)
      for (const index of this.#masters.keys())
        if (index >= cluster.shards.length) this.#masters.delete(index);
    for (const { index, master } of cluster?.shards ?? []) {
      const from = this.#masters.get(index);
      if (from === master.address) continue;
      if (from !== undefined) this.masterChanges.push({ atMs, shard: index, from, to: master.address });
      this.#masters.set(index, master.address);
    }
  }
}
