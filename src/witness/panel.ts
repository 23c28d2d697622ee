// The asking side: one request a member for all that the leader's clusters miss at a time.

import type { LookupFunction } from 'node:net';

import { Agent, request } from 'undici';

import type { Clock, Timer } from '../base/clock.ts';
import type { Panel } from '../control/evidence.ts';
import type { WitnessWord } from '../leader/ports.ts';
import type { ClusterPlace } from '../topology/record.ts';
import type { NodeId } from '../topology/types.ts';
import {
  BODY_BYTES_MAX,
  NODES_MAX,
  type Question,
  type QuestionedNode,
  type Spoken,
  WITNESS_PATH,
  answerSchema,
} from './wire.ts';

/** Another voter of the group. */
export interface Peer {
  readonly id: number;
  /** `http://host:port` */
  readonly origin: string;
}

export interface WitnessPanelPorts {
  readonly clock: Clock;
  readonly lookup: LookupFunction;
  readonly clusterId: string;
  /** The term in whose name is asked. */
  readonly term: number;
  /** Whose word decides. */
  readonly panel: () => Panel;
  /** The voters of the panel but this member. */
  readonly peers: () => readonly Peer[];
  /** How long one look may take, milliseconds. */
  readonly lookMs: number;
}

/** Questions within this time go out together. */
const GATHER_MS = 5;
/** What an answer may take beside the looks, milliseconds. */
const ANSWER_MARGIN_MS = 500;

type Words = ReadonlyMap<NodeId, readonly WitnessWord[]>;

interface Waiting {
  readonly place: ClusterPlace;
  readonly nodes: readonly NodeId[];
  readonly resolve: (words: Words) => void;
}

/** Lives as long as one leadership. */
export class WitnessPanel {
  readonly #ports: WitnessPanelPorts;
  readonly #agent: Agent;
  #waiting: Waiting[] = [];
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(ports: WitnessPanelPorts) {
    this.#ports = ports;
    this.#agent = new Agent({ connect: { lookup: ports.lookup }, connections: 2 });
  }

  panel(): Panel {
    return this.#ports.panel();
  }

  /** See `leader/ports.ts`. */
  ask(place: ClusterPlace, nodes: readonly NodeId[]): Promise<Words> {
    if (this.#isClosed) return Promise.resolve(new Map());
    return new Promise((resolve) => {
      this.#waiting.push({ place, nodes, resolve });
      this.#timer ??= this.#ports.clock.setTimer(GATHER_MS, () => void this.#send());
    });
  }

  /** What is under way ends at once, without a word. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { resolve } of this.#waiting.splice(0)) resolve(new Map());
    await this.#agent.destroy();
  }

  async #send(): Promise<void> {
    this.#timer = null;
    const waiting = this.#waiting;
    this.#waiting = [];
    const asked = waiting.flatMap(({ place, nodes }) => nodes.map((id) => ({ ...place, id })));
    const peers = this.#ports.peers();
    const spoken = await Promise.all(peers.map((peer) => this.#askPeer(peer, asked)));
    let position = 0;
    for (const { nodes, resolve } of waiting) {
      const words = new Map<NodeId, readonly WitnessWord[]>();
      for (const id of nodes) {
        words.set(id, wordsAt(peers, spoken, position));
        position += 1;
      }
      resolve(words);
    }
  }

  /** One for each node asked about; null where nothing was said. */
  async #askPeer({ origin }: Peer, asked: readonly QuestionedNode[]): Promise<readonly Spoken[]> {
    const spoken: Spoken[] = [];
    for (let from = 0; from < asked.length; from += NODES_MAX) {
      const part = asked.slice(from, from + NODES_MAX);
      const words = await this.#post(origin, part);
      spoken.push(...part.map((_, index) => words[index] ?? null));
    }
    return spoken;
  }

  /** Nothing for every kind of failure: a member that says nothing is no witness. */
  async #post(origin: string, nodes: readonly QuestionedNode[]): Promise<readonly Spoken[]> {
    const { clock, clusterId, term, lookMs } = this.#ports;
    const question: Question = { clusterId, term, deadlineMs: lookMs, nodes };
    const abort = new AbortController();
    // Looks of one answer come in waves of a hundred.
    const deadlineMs = lookMs * Math.ceil(nodes.length / 100) + ANSWER_MARGIN_MS;
    const timer = clock.setTimer(deadlineMs, () => abort.abort());
    try {
      const { statusCode, body } = await request(`${origin}${WITNESS_PATH}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(question),
        dispatcher: this.#agent,
        signal: abort.signal,
      });
      let text = '';
      for await (const chunk of body) {
        text += String(chunk);
        if (text.length > BODY_BYTES_MAX) return [];
      }
      if (statusCode !== 200) return [];
      const answer = answerSchema.safeParse(JSON.parse(text));
      return answer.success ? answer.data.words : [];
    } catch {
      return [];
    } finally {
      timer.cancel();
    }
  }
}

function wordsAt(
  peers: readonly Peer[],
  spoken: readonly (readonly Spoken[])[],
  position: number,
): readonly WitnessWord[] {
  return peers.flatMap(({ id }, index) => {
    const word = spoken[index]?.[position] ?? null;
    return word === null ? [] : [{ observer: id, ...word }];
  });
}
