// The answering side: looks at nodes for a leader that does not find them.

import type { NodeEndpoint } from '../control/node-commands.ts';
import type { ProbeResult } from '../control/observation.ts';
import { sightingOf } from '../control/sighting.ts';
import { findNode } from '../topology/cluster.ts';
import { parseNodeId } from '../topology/node.ts';
import type { ClusterRecord } from '../topology/record.ts';
import type { Node, NodeAddress } from '../topology/types.ts';
import {
  type Answer,
  BODY_BYTES_MAX,
  type Question,
  type QuestionedNode,
  type Spoken,
  WHY_LENGTH_MAX,
  questionSchema,
} from './wire.ts';

export interface WitnessPorts {
  /** As applied on this member. */
  readonly findCluster: (namespace: string, cluster: string) => ClusterRecord | null;
  readonly probe: (endpoint: NodeEndpoint, deadlineMs: number) => Promise<ProbeResult>;
  /** Ends what `probe` keeps of the address. */
  readonly release: (address: NodeAddress) => void;
  /** The highest term this member knows. */
  readonly term: () => number;
  readonly clusterId: string;
}

/** What a request is answered with. */
export interface Response {
  readonly status: 200 | 400 | 409 | 421;
  readonly body: string;
}

interface Looking {
  readonly now: Promise<ProbeResult>;
  /** Whoever asks while a look is under way shares the one that begins after it. */
  next: Promise<ProbeResult> | null;
}

export class Witness {
  readonly #ports: WitnessPorts;
  readonly #looking = new Map<NodeAddress, Looking>();

  constructor(ports: WitnessPorts) {
    this.#ports = ports;
  }

  /** Answers the body of a question. Never rejects. */
  async answer(body: Uint8Array): Promise<Response> {
    const question = parseQuestion(body);
    if (question === null) return refusal(400, 'the question cannot be read');
    const { clusterId, term } = this.#ports;
    if (question.clusterId !== clusterId) return refusal(421, 'here is a member of another group');
    if (question.term < term()) return refusal(409, `term ${term()} has begun`);
    const words = await Promise.all(question.nodes.map((node) => this.#wordOf(node, question)));
    const answer: Answer = { words };
    return { status: 200, body: JSON.stringify(answer) };
  }

  async #wordOf(asked: QuestionedNode, { deadlineMs }: Question): Promise<Spoken> {
    const record = this.#ports.findCluster(asked.namespace, asked.cluster);
    const id = parseNodeId(asked.id);
    const found = record === null || !id.ok ? null : findNode(record.cluster, id.value);
    if (found === null) return null;
    const { node } = found;
    const { kind, why } = sightingOf(await this.#look(node, deadlineMs), node.id);
    return { kind, why: why.slice(0, WHY_LENGTH_MAX) };
  }

  /** A look that begins now or later, never one that began before. */
  #look(node: Node, deadlineMs: number): Promise<ProbeResult> {
    const looking = this.#looking.get(node.address);
    if (looking === undefined) return this.#begin(node, deadlineMs);
    looking.next ??= looking.now.then(() => this.#begin(node, deadlineMs));
    return looking.next;
  }

  #begin(node: Node, deadlineMs: number): Promise<ProbeResult> {
    const { address } = node;
    const now = this.#ports.probe(node, deadlineMs);
    const looking: Looking = { now, next: null };
    this.#looking.set(address, looking);
    void now.then(() => {
      // What comes next has taken the place already when somebody waits for it.
      if (looking.next !== null) return;
      this.#looking.delete(address);
      this.#ports.release(address);
    });
    return now;
  }
}

function parseQuestion(body: Uint8Array): Question | null {
  if (body.length > BODY_BYTES_MAX) return null;
  try {
    const read = questionSchema.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}

function refusal(status: 400 | 409 | 421, message: string): Response {
  return { status, body: JSON.stringify({ error: { message } }) };
}
