import { describe, expect, it } from 'vitest';

import { createSeededRandom } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { probeDeadlineMs } from '../../../src/control/settings.ts';
import { type Look, NodeWatch } from '../../../src/leader/node-watch.ts';
import { makeNode, newNodeId, parseAddress } from '../../../src/topology/node.ts';
import type { Node } from '../../../src/topology/types.ts';
import { FakeClock } from './fake-clock.ts';
import { ModelFleet } from './model-fleet.ts';

const INTERVAL_MS = 1000;

function setUp(nodeCount: number) {
  const clock = new FakeClock();
  const random = createSeededRandom(7);
  const nodes = Array.from({ length: nodeCount }, (_, index) => nodeAt(`127.0.0.1:${7000 + index}`));
  const fleet = new ModelFleet(
    clock,
    nodes.map((node) => node.address),
  );
  const looks: Look[] = [];
  const watch = new NodeWatch({
    client: fleet,
    clock,
    random,
    intervalMs: INTERVAL_MS,
    knownVersion: () => 0,
    onLate: () => undefined,
    onLook: (look) => looks.push(look),
  });
  const modelOf = (index: number) => fleet.node(nodes[index]!.address);
  return { clock, nodes, fleet, looks, watch, modelOf };

  function nodeAt(text: string): Node {
    const address = parseAddress(text);
    if (!address.ok) throw new Error(text);
    return makeNode(
      { id: newNodeId(random), address: address.value, password: Secret.none, createdAtSeconds: 1 },
      'master',
    );
  }
}

describe('the probe deadline', () => {
  it('is half the interval, from 200 ms to 1 s', () => {
    expect([200, 400, 1000, 1500, 3000].map(probeDeadlineMs)).toEqual([200, 200, 500, 750, 1000]);
  });
});

describe('watching nodes', () => {
  it('looks at all at once, then every interval', async () => {
    const { clock, nodes, looks, watch, modelOf } = setUp(3);
    watch.follow(nodes);
    watch.start();
    await clock.advance(10);
    expect(looks).toHaveLength(3);
    await clock.advance(10 * INTERVAL_MS);
    for (const index of [0, 1, 2]) expect(modelOf(index).probes).toBeOneOf([10, 11, 12]);
    await watch.stop();
    expect(clock.pendingCount).toBe(0);
  });

  it('never looks twice at the same node at once; an urgent look follows the one under way', async () => {
    const { clock, nodes, looks, watch, modelOf } = setUp(1);
    modelOf(0).state = 'hung';
    watch.follow(nodes);
    watch.start();
    for (let count = 0; count < 5; count += 1) watch.lookNow([nodes[0]!.id]);
    await clock.advance(100);
    expect(looks).toHaveLength(0);
    modelOf(0).state = 'up';
    await clock.advance(405);
    expect(looks.map((look) => look.result.kind)).toEqual(['failed', 'answered']);
    await watch.stop();
  });

  it('tells an urgent look from those of rounds, unless a round came while it was under way', async () => {
    const { clock, nodes, looks, watch, modelOf } = setUp(1);
    const id = nodes[0]!.id;
    watch.follow(nodes);
    watch.start();
    await clock.advance(100);
    modelOf(0).state = 'hung';
    watch.lookNow([id]);
    await clock.advance(600);
    expect(looks.map(({ isExtra }) => isExtra)).toEqual([false, true]);
    expect(looks[1]).toMatchObject({ result: { kind: 'failed' } });
    modelOf(0).state = 'up';
    watch.lookNow([id]);
    await clock.advance(10);
    expect(looks).toHaveLength(3);
    modelOf(0).state = 'dead';
    for (let count = 0; count < 5; count += 1) {
      watch.lookNow([id]);
      await clock.advance(10);
    }
    expect(looks.slice(3)).toHaveLength(5);
    expect(looks.slice(3).every(({ result, isExtra }) => result.kind === 'failed' && isExtra)).toBe(true);
    modelOf(0).state = 'hung';
    watch.lookNow([id]);
    await clock.advance(INTERVAL_MS);
    expect(looks.slice(8).map(({ isExtra }) => isExtra)).toContain(false);
    await watch.stop();
  });

  it('a hung node does not delay the others', async () => {
    const { clock, nodes, looks, watch, fleet, modelOf } = setUp(3);
    modelOf(1).state = 'hung';
    watch.follow(nodes);
    watch.start();
    await clock.advance(5);
    expect(looks.map((look) => look.id)).toEqual([nodes[0]!.id, nodes[2]!.id]);
    fleet.close();
    await watch.stop();
  });

  it('a round over many nodes starts in steps and reaches every node', async () => {
    const { clock, nodes, watch, fleet } = setUp(350);
    watch.follow(nodes);
    watch.start();
    await clock.advance(2 * INTERVAL_MS);
    expect([...fleet.nodes.values()].every((node) => node.probes >= 2)).toBe(true);
    await watch.stop();
  });

  it('rounds come at another interval as soon as that is said, with the deadline of that', async () => {
    const { clock, nodes, looks, watch, modelOf } = setUp(1);
    watch.follow(nodes);
    watch.start();
    watch.setInterval(3_600_000);
    await clock.advance(3_600_000);
    expect(modelOf(0).probes).toBeOneOf([2, 3]);
    watch.setInterval(200);
    const before = modelOf(0).probes;
    await clock.advance(2000);
    expect(modelOf(0).probes - before).toBeOneOf([9, 10]);
    modelOf(0).state = 'hung';
    await clock.advance(200);
    const hung = looks.length;
    await clock.advance(200);
    expect(looks.length).toBeGreaterThan(hung);
    await watch.stop();
    watch.setInterval(100);
    expect(clock.pendingCount).toBe(0);
  });

  it('a node that left is not looked at, its late reply is not reported, its connection is closed', async () => {
    const { clock, nodes, looks, watch, fleet } = setUp(2);
    watch.follow(nodes);
    watch.start();
    watch.follow(nodes.slice(0, 1));
    await clock.advance(3 * INTERVAL_MS);
    expect(new Set(looks.map((look) => look.id))).toEqual(new Set([nodes[0]!.id]));
    expect(fleet.released).toEqual([nodes[1]!.address]);
    await watch.stop();
  });

  it('a changed password is a new node: the reply to the old one does not count', async () => {
    const { clock, nodes, looks, watch, modelOf } = setUp(1);
    modelOf(0).state = 'hung';
    watch.follow(nodes);
    watch.start();
    watch.follow([{ ...nodes[0]!, password: new Secret('sesame') }]);
    modelOf(0).state = 'up';
    watch.lookNow([nodes[0]!.id]);
    await clock.advance(600);
    expect(looks.every((look) => look.result.kind === 'answered')).toBe(true);
    await watch.stop();
  });

  it('stopping waits for looks under way and reports none of them', async () => {
    const { clock, nodes, looks, watch, fleet, modelOf } = setUp(1);
    modelOf(0).state = 'hung';
    watch.follow(nodes);
    watch.start();
    fleet.close();
    await watch.stop();
    expect(looks).toHaveLength(0);
    expect(clock.pendingCount).toBe(0);
  });
});
