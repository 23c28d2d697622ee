// Random faults, failovers by hand and changes of leaders; then everything heals. What must hold whatever happened.

import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { clusterWithVersion } from '../../../src/topology/cluster.ts';
import { setNodesText } from '../../../src/topology/setnodes-text.ts';
import type { ModelFleet } from './model-fleet.ts';
import { PING_INTERVAL_MS, Scene } from './scene.ts';

const SHARDS = 2;
const REPLICAS = 3;

type Step =
  | { readonly kind: 'state'; readonly node: number; readonly state: 'up' | 'dead' | 'hung' }
  | { readonly kind: 'slowPush'; readonly node: number; readonly pushMs: number }
  | { readonly kind: 'restartWithout'; readonly node: number }
  | { readonly kind: 'failover'; readonly shardIndex: number; readonly nodeIndex: number | null }
  | { readonly kind: 'commitError'; readonly error: 'conflict' | 'overloaded' | 'unknown' }
  | { readonly kind: 'newLeader' }
  | { readonly kind: 'routeChange' }
  | { readonly kind: 'write'; readonly count: number }
  | { readonly kind: 'wait'; readonly ms: number };

const nodeNumber = fc.nat(SHARDS * REPLICAS - 1);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('state' as const),
    node: nodeNumber,
    state: fc.constantFrom('up' as const, 'dead' as const, 'hung' as const),
  }),
  fc.record({
    kind: fc.constant('slowPush' as const),
    node: nodeNumber,
    pushMs: fc.constantFrom(1, 900, 9000, 20_000),
  }),
  fc.record({ kind: fc.constant('restartWithout' as const), node: nodeNumber }),
  fc.record({
    kind: fc.constant('failover' as const),
    shardIndex: fc.nat(SHARDS - 1),
    nodeIndex: fc.option(fc.nat(REPLICAS - 1), { nil: null }),
  }),
  fc.record({
    kind: fc.constant('commitError' as const),
    error: fc.constantFrom('conflict' as const, 'overloaded' as const, 'unknown' as const),
  }),
  fc.constant<Step>({ kind: 'newLeader' }),
  fc.constant<Step>({ kind: 'routeChange' }),
  fc.record({ kind: fc.constant('write' as const), count: fc.nat(50) }),
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(4 * PING_INTERVAL_MS) }),
  },
);

/** Replication in one stroke: a replica of a living master has its data and a link. */
function replicate(fleet: ModelFleet): void {
  for (const node of fleet.nodes.values()) {
    const address = node.masterAddress;
    if (address === null || node.state !== 'up') continue;
    const master = fleet.nodes.get(address);
    if (master?.state === 'dead' || master === undefined) node.link = 'down';
    else node.link = 'up';
    if (master?.state === 'up') node.sequence = master.sequence;
  }
}

async function wait(scene: Scene, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 200) {
    await scene.clock.advance(Math.min(200, left));
    replicate(scene.fleet);
  }
}

async function run(scene: Scene, fault: Step, stopping: Promise<void>[]): Promise<void> {
  const nodes = [...scene.fleet.nodes.values()];
  switch (fault.kind) {
    case 'state':
      nodes[fault.node]!.state = fault.state;
      return;
    case 'slowPush':
      nodes[fault.node]!.pushMs = fault.pushMs;
      return;
    case 'restartWithout': {
      const node = nodes[fault.node]!;
      node.id = null;
      node.version = -1;
      node.text = '';
      return;
    }
    case 'failover': {
      const preferred = fault.nodeIndex === null ? null : scene.node(fault.shardIndex, fault.nodeIndex).id;
      void scene.leadership.failover({
        ...scene.failoverRequest(),
        shardIndex: fault.shardIndex,
        preferred,
      });
      return;
    }
    case 'commitError':
      scene.records.nextErrors.push({ kind: fault.error, reason: 'made up' });
      return;
    case 'newLeader': {
      scene.records.term += 1;
      // The old leader works on for a while before it learns of it.
      await wait(scene, 300);
      const before = scene.leadership;
      scene.currentTerm = scene.records.term;
      stopping.push(before.stop());
      scene.leadership = scene.lead(scene.currentTerm, scene.fleet.successor());
      scene.leadership.start();
      return;
    }
    case 'routeChange': {
      const next = clusterWithVersion(scene.cluster, scene.cluster.version + 1);
      if (next.ok) scene.put(scene.namespace, next.value);
      return;
    }
    case 'write':
      for (const node of nodes) {
        if (node.isMaster && node.state === 'up') node.sequence += fault.count;
      }
      return;
    default:
      await wait(scene, fault.ms);
  }
}

it('whatever happens: only committed topologies are pushed, no version means two things, and all heals', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const scene = new Scene(SHARDS, REPLICAS);
      let earlyPushes = 0;
      scene.fleet.isCommitted = (push, address) => {
        if (scene.isCommitted(push, address)) return true;
        earlyPushes += 1;
        return false;
      };
      await scene.settle();
      const stopping: Promise<void>[] = [];
      for (const fault of steps) await run(scene, fault, stopping);
      scene.records.nextErrors.length = 0;
      for (const node of scene.fleet.nodes.values()) {
        node.state = 'up';
        node.pushMs = 1;
      }
      await wait(scene, 60_000);
      expect(scene.leadership.status(scene.namespace, scene.name)).toMatchObject({ isConverged: true });
      for (const shard of scene.cluster.shards) {
        for (const node of shard.nodes) {
          const model = scene.fleet.node(node.address);
          expect([model.id, model.isMaster, model.version]).toEqual([
            node.id,
            node.role === 'master',
            scene.cluster.version,
          ]);
        }
      }
      expect(earlyPushes).toBe(0);
      const texts = new Map<number, string>();
      for (const cluster of scene.records.history) {
        const text = setNodesText(cluster);
        expect(texts.get(cluster.version) ?? text).toBe(text);
        texts.set(cluster.version, text);
      }
      for (const node of scene.fleet.nodes.values()) {
        for (const push of node.pushes) expect(scene.isCommitted(push, node.address)).toBe(true);
      }
      const stopped = Promise.all([scene.leadership.stop(), ...stopping]);
      await scene.clock.advance(30_000);
      await stopped;
      expect(scene.clock.pendingCount).toBe(0);
      expect(scene.records.listenerCount).toBe(0);
    }),
    { numRuns: 25 },
  );
}, 120_000);
