import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import type { ProbeResult } from '../../../src/control/observation.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { initialFacts } from '../../../src/topology/facts.ts';
import { parseName } from '../../../src/topology/name.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { WitnessPanel } from '../../../src/witness/panel.ts';
import { type Question, WITNESS_PATH } from '../../../src/witness/wire.ts';
import { Witness } from '../../../src/witness/witness.ts';
import { sampleCluster, valueOf } from '../topology/arbitrary.ts';

const CLUSTER_ID = 'c'.repeat(32);
const NAMESPACE = valueOf(parseName('shop'));
const record: ClusterRecord = {
  namespace: NAMESPACE,
  cluster: sampleCluster(2, 2),
  facts: initialFacts(sampleCluster(2, 2)),
  revision: 1,
  factsRevision: 1,
};
const place = { namespace: NAMESPACE, cluster: record.cluster.name };
const [first, second] = record.cluster.shards.map((shard) => masterOf(shard));
if (first === undefined || second === undefined) throw new Error('two shards');
const REFUSED: ProbeResult = {
  kind: 'failed',
  error: { kind: 'connectionRefused', message: 'connect ECONNREFUSED' },
};
const LOADING: ProbeResult = { kind: 'failed', error: { kind: 'loading', message: 'LOADING' } };

interface Stage {
  readonly witness: Witness;
  /** Every look that was begun, to be ended by the test. */
  readonly looks: { readonly address: NodeAddress; readonly end: (result: ProbeResult) => void }[];
  readonly released: NodeAddress[];
}

function stage(term = 4): Stage {
  const looks: Stage['looks'] = [];
  const released: NodeAddress[] = [];
  const witness = new Witness({
    findCluster: (namespace, cluster) =>
      namespace === 'shop' && cluster === record.cluster.name ? record : null,
    probe: ({ address }) => new Promise((end) => looks.push({ address, end })),
    release: (address) => released.push(address),
    term: () => term,
    clusterId: CLUSTER_ID,
  });
  return { witness, looks, released };
}

function bytes(question: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(question));
}

function about(...ids: readonly string[]): Question {
  const nodes = ids.map((id) => ({ namespace: 'shop', cluster: record.cluster.name, id }));
  return { clusterId: CLUSTER_ID, term: 4, deadlineMs: 500, nodes };
}

describe('a member that is asked', () => {
  it('looks at what its records say, says what it saw, and keeps no connection', async () => {
    const { witness, looks, released } = stage();
    const answer = witness.answer(bytes(about(first.id, 'f'.repeat(40), second.id)));
    await Promise.resolve();
    expect(looks.map(({ address }) => address)).toEqual([first.address, second.address]);
    looks[0]?.end(REFUSED);
    looks[1]?.end(LOADING);
    const { status, body } = await answer;
    expect([status, JSON.parse(body)]).toEqual([
      200,
      {
        words: [{ kind: 'refused', why: 'connect ECONNREFUSED' }, null, { kind: 'answered', why: 'LOADING' }],
      },
    ]);
    expect(released.toSorted()).toEqual([first.address, second.address].toSorted());
  });

  it('never looks twice at once: who asks meanwhile gets what a later look sees', async () => {
    const { witness, looks } = stage();
    const early = witness.answer(bytes(about(first.id)));
    await Promise.resolve();
    const late = [witness.answer(bytes(about(first.id))), witness.answer(bytes(about(first.id)))];
    await Promise.resolve();
    expect(looks).toHaveLength(1);
    looks[0]?.end(REFUSED);
    expect((await early).body).toContain('refused');
    expect(looks).toHaveLength(2);
    looks[1]?.end(LOADING);
    for (const answer of late) expect((await answer).body).toContain('answered');
  });

  it.each([
    ['what is no question', new TextEncoder().encode('{"nodes":'), 400],
    ['a question without a term', bytes({ ...about(first.id), term: undefined }), 400],
    ['one of another cluster', bytes({ ...about(first.id), clusterId: 'd'.repeat(32) }), 421],
    ['one of a leader whose term is over', bytes({ ...about(first.id), term: 3 }), 409],
    ['one about too many nodes', bytes(about(...Array.from({ length: 501 }, () => first.id))), 400],
  ])('refuses %s and looks at nothing', async (_, body, status) => {
    const { witness, looks } = stage();
    expect((await witness.answer(body)).status).toBe(status);
    expect(looks).toEqual([]);
  });
});

describe('a leader that asks', () => {
  const servers: Server[] = [];
  const panels: WitnessPanel[] = [];
  afterEach(async () => {
    for (const panel of panels.splice(0)) await panel.close();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    }
  });

  /** A member whose answers are those of `answer`; gives its origin. */
  async function member(
    answer: (body: Uint8Array) => Promise<{ readonly status: number; readonly body: string }>,
  ): Promise<string> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        expect(request.url).toBe(WITNESS_PATH);
        void answer(Buffer.concat(pieces)).then(({ status, body }) => response.writeHead(status).end(body));
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  function panelOf(origins: readonly string[], term = 4): WitnessPanel {
    const panel = new WitnessPanel({
      clock: systemClock,
      lookup: () => undefined,
      clusterId: CLUSTER_ID,
      term,
      panel: () => ({ self: 1, voters: [[1, 2, 3]] }),
      peers: () => origins.map((origin, index) => ({ id: index + 2, origin })),
      lookMs: () => 200,
    });
    panels.push(panel);
    return panel;
  }

  it('gathers what is asked at a time into one request a member, and gives each the words about its nodes', async () => {
    const { witness, looks } = stage();
    const questions: unknown[] = [];
    const origin = await member((body) => {
      questions.push(JSON.parse(new TextDecoder().decode(body)));
      const answer = witness.answer(body);
      queueMicrotask(() =>
        looks.forEach(({ address, end }) => end(address === first.address ? REFUSED : LOADING)),
      );
      return answer;
    });
    const panel = panelOf([origin]);
    const both = await Promise.all([...panel.ask(place, [first.id]), ...panel.ask(place, [second.id])]);
    expect(questions).toHaveLength(1);
    expect(both.map((words) => Array.from(words))).toEqual([
      [
        [
          first.id,
          { observer: 2, kind: 'refused', why: 'connect ECONNREFUSED', askedAtMs: expect.any(Number) },
        ],
      ],
      [[second.id, { observer: 2, kind: 'answered', why: 'LOADING', askedAtMs: expect.any(Number) }]],
    ]);
  });

  it('gets words however many ask while looks take their time: what comes meanwhile goes together, and the first majority does not wait for the last', async () => {
    let underWay = 0;
    let most = 0;
    const slow = await member(async (body) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => {
        setTimeout(resolve, 150);
      });
      underWay -= 1;
      const { nodes } = JSON.parse(new TextDecoder().decode(body)) as Question;
      return { status: 200, body: JSON.stringify({ words: nodes.map(() => ({ kind: 'silent', why: '' })) }) };
    });
    const hung = await member(() => new Promise(() => undefined));
    const panel = panelOf([slow, hung]);
    const words: Promise<number>[] = [];
    for (let count = 0; count < 40; count += 1) {
      words.push(
        ...panel
          .ask(place, [first.id])
          .slice(0, 1)
          .map(async (said) => (await said).size),
      );
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    }
    expect(await Promise.all(words)).toEqual(Array.from({ length: 40 }, () => 1));
    expect(most).toBeLessThanOrEqual(4);
  });

  it('has no word of a member that is away, refuses, answers nonsense, or answers too late', async () => {
    const gone = await member(() => Promise.resolve({ status: 200, body: '' }));
    const server = servers.pop();
    await new Promise((resolve) => {
      server?.close(resolve);
    });
    const nonsense = await member(() =>
      Promise.resolve({ status: 200, body: '{"words":[{"kind":"dead"}]}' }),
    );
    const refusing = await member((body) => stage(5).witness.answer(body));
    const late = await member(() => new Promise(() => undefined));
    const words = await Promise.all(panelOf([gone, nonsense, refusing, late]).ask(place, [first.id]));
    expect(words.map(({ size }) => size)).toEqual([0, 0, 0, 0]);
  });

  it('that stops gets no more words, at once', async () => {
    const panel = panelOf([await member(() => new Promise(() => undefined))]);
    const [asked] = panel.ask(place, [first.id]);
    await panel.close();
    expect((await asked)?.size).toBe(0);
    expect(panel.ask(place, [first.id])).toEqual([]);
  });
});
