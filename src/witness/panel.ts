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
  readonly lookMs: () => number;
}

/** Questions under way to one member; what comes meanwhile goes out together with the next. */
const QUESTIONS_MAX = 4;
/** Questions within this time go out together. */
const GATHER_MS = 5;
/** What an answer may take beside the looks, milliseconds. */
const ANSWER_MARGIN_MS = 500;

type Words = ReadonlyMap<NodeId, WitnessWord>;

/** Asked of one member, and not sent yet. */
interface Waiting {
  readonly place: ClusterPlace;
  readonly nodes: readonly NodeId[];
  readonly resolve: (words: Words) => void;
}

/** What waits for one member, and what is under way to it. */
interface Desk {
  readonly peer: Peer;
  readonly waiting: Waiting[];
  underWay: number;
}

/** Lives as long as one leadership. */
export class WitnessPanel {
  readonly #ports: WitnessPanelPorts;
  readonly #agent: Agent;
  readonly #desks = new Map<number, Desk>();
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(ports: WitnessPanelPorts) {
    this.#ports = ports;
    this.#agent = new Agent({ connect: { lookup: ports.lookup }, connections: QUESTIONS_MAX });
  }

  panel(): Panel {
    return this.#ports.panel();
  }

  /** See `leader/ports.ts`. */
  ask(place: ClusterPlace, nodes: readonly NodeId[]): readonly Promise<Words>[] {
    if (this.#isClosed) return [];
    this.#timer ??= this.#ports.clock.setTimer(GATHER_MS, () => {
      this.#timer = null;
      for (const desk of this.#desks.values()) this.#send(desk);
    });
    return this.#ports
      .peers()
      .map((peer) => new Promise((resolve) => this.#deskOf(peer).waiting.push({ place, nodes, resolve })));
  }

  /** What is under way ends at once, without a word. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { waiting } of this.#desks.values()) {
      for (const { resolve } of waiting.splice(0)) resolve(new Map());
    }
    await this.#agent.destroy();
  }

  /** One whose address changed is asked there from now on. */
  #deskOf(peer: Peer): Desk {
    const known = this.#desks.get(peer.id);
    if (known?.peer.origin === peer.origin) return known;
    const desk: Desk = { peer, waiting: known?.waiting ?? [], underWay: 0 };
    this.#desks.set(peer.id, desk);
    return desk;
  }

  /** Everything that waits goes out in one question, if not too many are under way: the time of each begins when it is sent. */
  #send(desk: Desk): void {
    if (this.#isClosed || desk.waiting.length === 0 || desk.underWay >= QUESTIONS_MAX) return;
    const taken: Waiting[] = [];
    let count = 0;
    for (const next of desk.waiting) {
      if (taken.length > 0 && count + next.nodes.length > NODES_MAX) break;
      taken.push(next);
      count += next.nodes.length;
    }
    desk.waiting.splice(0, taken.length);
    desk.underWay += 1;
    void this.#ask(desk.peer, taken).then(() => {
      desk.underWay -= 1;
      this.#send(desk);
    });
    this.#send(desk);
  }

  async #ask(peer: Peer, taken: readonly Waiting[]): Promise<void> {
    const asked = taken.flatMap(({ place, nodes }) => nodes.map((id) => ({ ...place, id })));
    const askedAtMs = this.#ports.clock.monotonicMs();
    // One cluster alone may have more nodes than a question.
    const spoken: Spoken[] = [];
    for (let from = 0; from < asked.length; from += NODES_MAX) {
      const part = asked.slice(from, from + NODES_MAX);
      const words = await this.#post(peer.origin, part);
      spoken.push(...part.map((_, index) => words[index] ?? null));
    }
    let position = 0;
    for (const { nodes, resolve } of taken) {
      const words = new Map<NodeId, WitnessWord>();
      for (const id of nodes) {
        const word = spoken[position] ?? null;
        if (word !== null) words.set(id, { observer: peer.id, ...word, askedAtMs });
        position += 1;
      }
      resolve(words);
    }
  }

  /** Nothing for every kind of failure: a member that says nothing is no witness. */
  async #post(origin: string, nodes: readonly QuestionedNode[]): Promise<readonly Spoken[]> {
    const { clock, clusterId, term } = this.#ports;
    const lookMs = this.#ports.lookMs();
    const question: Question = { clusterId, term, deadlineMs: lookMs, nodes };
    const abort = new AbortController();
    const timer = clock.setTimer(lookMs + ANSWER_MARGIN_MS, () => abort.abort());
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
