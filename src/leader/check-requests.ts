// A check of a cluster, asked for by a person: every node is looked at and asked what it holds now, and `control/check.ts` compares.

import type { Clock, Timer } from '../base/clock.ts';
import { err, ok, type Result } from '../base/result.ts';
import { checkOf, type CheckRefusal, type ClusterCheck } from '../control/check.ts';
import { importsInDoubt, type ToldTopology } from '../control/examination.ts';
import type { SlotService } from '../control/imported-hand-over.ts';
import type { Problem } from '../control/problems.ts';
import { isFresh } from '../control/sight.ts';
import type { NodeView, Situation } from '../control/situation.ts';
import {
  type NodesLine,
  ownLine,
  parseClusterNodes,
  topologyFingerprint,
} from '../topology/cluster-nodes-text.ts';
import { describe } from '../topology/errors.ts';
import type { NodeId } from '../topology/types.ts';
import type { NodeClient } from './ports.ts';

/** A node that has not answered a question by then is silent to the check. */
const ANSWER_MS = 2_000;

/** Nodes asked at once, at most: each answer may have a megabyte. */
const ASKED_AT_ONCE_MAX = 100;

/** After so long no further node is asked: only hundreds that hang take that. */
const ASKING_MS_MAX = 10_000;

/** Different topologies that are read, at most: a cluster in the midst of a change has two or three, and each may be a megabyte. */
const TOPOLOGIES_MAX = 16;

export interface CheckRequestsPorts {
  readonly clock: Clock;
  readonly client: Pick<NodeClient, 'clusterNodes' | 'slotServices'>;
  readonly lookNow: (ids: readonly NodeId[]) => void;
  readonly situation: () => Situation;
  /** Problems of nodes that have left. */
  readonly departed: () => readonly Problem[];
}

type Answer = Result<ClusterCheck, CheckRefusal>;

interface Wait {
  readonly isOver: () => boolean;
  readonly end: () => void;
}

/** One at a time a cluster: whoever asks meanwhile gets the next one, together with all others who do. It changes nothing. */
export class CheckRequests {
  readonly #ports: CheckRequestsPorts;
  #running: Promise<Answer> | null = null;
  #next: Promise<Answer> | null = null;
  #wait: Wait | null = null;
  #isStopped = false;

  constructor(ports: CheckRequestsPorts) {
    this.#ports = ports;
  }

  /** Resolves within seconds, however many nodes hang; never rejects. */
  run(): Promise<Answer> {
    if (this.#running === null) return this.#begin();
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      return this.#begin();
    });
    return this.#next;
  }

  /** A decision was made: what was seen is in its memory. */
  turned(): void {
    if (this.#wait?.isOver() === true) this.#wait.end();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wait?.end();
  }

  /** Resolves when the check that is under way has ended: closing the client ends its questions at once. */
  async ended(): Promise<void> {
    await this.#running;
  }

  #begin(): Promise<Answer> {
    const running = this.#check().then((answer) => {
      this.#running = null;
      return answer;
    });
    this.#running = running;
    return running;
  }

  async #check(): Promise<Answer> {
    const { clock, lookNow, situation, departed } = this.#ports;
    if (this.#isStopped) return err({ kind: 'notLeader' });
    const askedAtMs = clock.monotonicMs();
    const views = [...situation().views.values()];
    lookNow(views.map(({ node }) => node.id));
    const told = await this.#askTopologies(views);
    await this.#untilLookedAt(askedAtMs, told);
    const imports = await this.#askImports(askedAtMs);
    if (this.#isStopped) return err({ kind: 'notLeader' });
    return ok(checkOf({ situation: situation(), askedAtMs, told, imports, departed: departed() }));
  }

  /** Those that are missed come last, so that nodes that hang keep nobody else from being asked. */
  async #askTopologies(views: readonly NodeView[]): Promise<ReadonlyMap<NodeId, ToldTopology>> {
    const { clock, client } = this.#ports;
    const told = new Map<NodeId, ToldTopology>();
    const known = new Map<string, ToldLines>();
    const untilMs = clock.monotonicMs() + ASKING_MS_MAX;
    const [here, missed] = [true, false].map((isHere) =>
      views.filter(({ memory }) => (memory.absence === null) === isHere),
    );
    await forAll([...(here ?? []), ...(missed ?? [])], async ({ node }) => {
      if (this.#isStopped || clock.monotonicMs() >= untilMs) {
        told.set(node.id, { kind: 'failed', why: 'it was not asked, since so many others hang' });
        return;
      }
      const text = await client.clusterNodes(node, ANSWER_MS);
      if (text.ok) told.set(node.id, readTopology(text.value, known));
      else if (text.error.kind === 'notInitialized') told.set(node.id, { kind: 'none' });
      else told.set(node.id, { kind: 'failed', why: text.error.message });
    });
    return told;
  }

  /** A look and a question are on their way side by side; whoever has not answered the one is not waited for with the other. */
  async #untilLookedAt(askedAtMs: number, told: ReadonlyMap<NodeId, ToldTopology>): Promise<void> {
    const isLookedAt = (view: NodeView): boolean => {
      const isLost = told.get(view.node.id)?.kind === 'failed';
      return isLost || isFresh(view, askedAtMs);
    };
    const isOver = (): boolean => [...this.#ports.situation().views.values()].every(isLookedAt);
    if (this.#isStopped || isOver()) return;
    await new Promise<void>((resolve) => {
      let timer: Timer | null = null;
      const end = (): void => {
        timer?.cancel();
        this.#wait = null;
        resolve();
      };
      timer = this.#ports.clock.setTimer(ANSWER_MS, end);
      this.#wait = { isOver, end };
    });
  }

  /** How masters treat clients of slots that came to them and are not their own. */
  async #askImports(askedAtMs: number): Promise<ReadonlyMap<NodeId, SlotService>> {
    const { clock, client, situation } = this.#ports;
    const services = new Map<NodeId, SlotService>();
    const untilMs = clock.monotonicMs() + ANSWER_MS;
    await forAll(importsInDoubt(situation(), askedAtMs), async ({ view, first }) => {
      if (this.#isStopped || clock.monotonicMs() >= untilMs) return;
      const answer = await client.slotServices(view.node, [first], ANSWER_MS);
      const service = answer.ok ? answer.value[0] : undefined;
      if (service !== undefined) services.set(view.node.id, service);
    });
    return services;
  }
}

/** A topology as it was read once, or why it could not be. */
type ToldLines = Result<readonly NodesLine[], string>;

/** Nodes that hold one topology have it read once: a thousand of them tell a megabyte each. */
function readTopology(text: string, known: Map<string, ToldLines>): ToldTopology {
  const fingerprint = topologyFingerprint(text);
  let lines = known.get(fingerprint);
  if (lines === undefined) {
    if (known.size === TOPOLOGIES_MAX)
      return {
        kind: 'failed',
        why: `not compared: ${TOPOLOGIES_MAX} other nodes hold as many other topologies`,
      };
    const parsed = parseClusterNodes(text);
    lines = parsed.ok ? parsed : err(describe(parsed.error));
    known.set(fingerprint, lines);
  }
  return lines.ok
    ? { kind: 'told', lines: lines.value, own: ownLine(text) }
    : { kind: 'failed', why: lines.error };
}

async function forAll<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = items.values();
  const workOn = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE_MAX, items.length) }, workOn));
}
