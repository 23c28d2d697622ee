// What the plan of a rebalance, a scale-out or a drain costs, and how long its longest step holds the event loop. Processor time of the thread, but for
// the steps of later runs, which go by the clock.
// Usage: node scripts/bench-planning.ts [--shards 1000] [--runs 200]

import { parseArgs } from 'node:util';

import type { Result } from '../src/base/result.ts';
import { Secret } from '../src/base/secret.ts';
import { planMasterPlaces } from '../src/planning/master-places.ts';
import { placementFaults } from '../src/planning/placement.ts';
import type { PlanError } from '../src/planning/plan-error.ts';
import { type SlotPlan, planDrainInSteps, planMovesInSteps } from '../src/planning/rebalance.ts';
import type { Steps } from '../src/planning/steps.ts';
import { makeCluster } from '../src/topology/cluster.ts';
import { createCluster } from '../src/topology/create-cluster.ts';
import { parseName } from '../src/topology/name.ts';
import { parseAddress } from '../src/topology/node.ts';
import { NO_CLUSTER_POLICY, NO_NODE_POLICY, withNodePolicy } from '../src/topology/policy.ts';
import { slotRange, slotSetOf } from '../src/topology/slot.ts';
import { type Cluster, SLOT_COUNT } from '../src/topology/types.ts';
import { createSystemRandom } from '../src/system/random.ts';

const { values } = parseArgs({
  options: {
    shards: { type: 'string', default: '1000' },
    runs: { type: 'string', default: '200' },
  },
});
const shardCount = Number(values.shards);
const runs = Number(values.runs);
const NODES_A_SHARD = 3;
const ZONES = ['a', 'b', 'c'];

/** The value of what cannot fail here. */
function valid<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

/** A cluster in which each slot belongs to the shard that `owner` says. */
function clusterBy(owner: (slot: number) => number): Cluster {
  const cluster = valid(
    createCluster({
      name: valid(parseName('bench')),
      addresses: Array.from({ length: shardCount * NODES_A_SHARD }, (_, index) =>
        valid(parseAddress(`10.0.${index >> 8}.${index & 255}:6666`)),
      ),
      replicas: NODES_A_SHARD,
      password: Secret.none,
      random: createSystemRandom(),
      nowSeconds: 0,
    }),
  );
  const slots = Map.groupBy(Array.from({ length: SLOT_COUNT }).keys(), owner);
  const shards = cluster.shards.map((shard, index) => ({
    ...shard,
    slots: slotSetOf((slots.get(index) ?? []).map((slot) => slotRange(slot, slot))),
  }));
  return valid(makeCluster({ ...cluster, shards }));
}

function scattered(slot: number, count: number): number {
  return Math.imul(slot + 1, 2_654_435_761) % count;
}

/** Of the main thread: what the work costs, without the other processes of a busy machine. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

interface Run<T> {
  readonly result: T;
  readonly cpuMs: number;
  /** Of each step: processor time, and what passed by the clock, in which others on a busy machine may have had their turn. */
  readonly steps: readonly { readonly cpuMs: number; readonly passedMs: number }[];
}

function run<T>(work: Steps<T>): Run<T> {
  const steps = [];
  const cpuStartMs = threadCpuMs();
  for (;;) {
    const cpuBeginMs = threadCpuMs();
    const beginMs = performance.now();
    const step = work.next();
    steps.push({ passedMs: performance.now() - beginMs, cpuMs: threadCpuMs() - cpuBeginMs });
    if (step.done === true) return { result: step.value, cpuMs: threadCpuMs() - cpuStartMs, steps };
  }
}

/** Every run takes the same steps. What one of them takes when nobody interrupts is the least that it took in any run. */
function longestStepMs(all: readonly Run<unknown>[]): number {
  const steps = all[0]?.steps ?? [];
  const least = steps.map((_, index) =>
    Math.min(...all.map((one) => one.steps[index]?.passedMs ?? Number.POSITIVE_INFINITY)),
  );
  return Math.max(...least);
}

function report<T>(what: string, work: () => Steps<T>, outcome: (result: T) => string): void {
  const first = run(work());
  const all = Array.from({ length: runs }, () => run(work()));
  const meanMs = all.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / runs;
  const firstLongestMs = Math.max(...first.steps.map(({ cpuMs }) => cpuMs));
  const ms = (value: number): string => `${value.toFixed(2).padStart(6)} ms`;
  console.log(
    `${what.padEnd(40)} first: ${ms(first.cpuMs)}, longest step ${ms(firstLongestMs)}; then ${ms(meanMs)}, ` +
      `longest of ${first.steps.length} steps ${ms(longestStepMs(all))}; ${outcome(first.result)}`,
  );
}

function told(plan: Result<SlotPlan, PlanError>): string {
  const { moves, moved } = valid(plan);
  const ranges = moves.reduce((sum, { slots }) => sum + slots.length, 0);
  return `${moved} slots in ${moves.length} moves of ${ranges} ranges`;
}

const weights = new Map();
const newShards = Math.floor(shardCount / 5);
const oldShards = shardCount - newShards;
const even = clusterBy((slot) => Math.floor((slot * shardCount) / SLOT_COUNT));
const grown = clusterBy((slot) => Math.floor((slot * oldShards) / SLOT_COUNT));
const loose = clusterBy((slot) => Math.abs(scattered(slot, shardCount)));
const drained = new Set(even.shards.slice(oldShards).map(({ id }) => id));
const sevenWeights = new Map(even.shards.map(({ id }, index) => [id, 1 + (index % 7)]));
const inTwoPieces = clusterBy((slot) => slot % 2);
const inOne = clusterBy(() => 0);

console.log(`${shardCount} shards, ${runs} runs each`);
report(`grown from ${oldShards} shards`, () => planMovesInSteps({ cluster: grown, weights }), told);
report(
  'even, to seven different weights',
  () => planMovesInSteps({ cluster: even, weights: sevenWeights }),
  told,
);
report('slots scattered at random', () => planMovesInSteps({ cluster: loose, weights }), told);
report(
  'every other slot owned by each of two',
  () => planMovesInSteps({ cluster: inTwoPieces, weights }),
  told,
);
report('all slots owned by one', () => planMovesInSteps({ cluster: inOne, weights }), told);
report(`${newShards} shards emptied`, () => planDrainInSteps({ cluster: even, drained, weights }), told);

// All masters in one zone: the most failovers there can be.
let policy = NO_CLUSTER_POLICY;
for (const { nodes } of even.shards) {
  for (const [index, { id }] of nodes.entries()) {
    policy = withNodePolicy(policy, id, { ...NO_NODE_POLICY, zone: ZONES[index] ?? '' });
  }
}
const placement = { cluster: even, policy, nowSeconds: 0 };
const beginMs = threadCpuMs();
const failovers = valid(planMasterPlaces(placement)).length;
const planMs = threadCpuMs() - beginMs;
const faults = placementFaults(placement).length;
const faultsMs = threadCpuMs() - beginMs - planMs;
console.log(
  `all masters in one of three zones: ${failovers} failovers planned in ${planMs.toFixed(2)} ms, ${faults} fault found in ${faultsMs.toFixed(2)} ms`,
);
