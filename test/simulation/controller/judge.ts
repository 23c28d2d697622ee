// Judges every change of masters: when it is proposed, by the evidence; when it is committed, by what it costs.

import { assert } from '../../../src/base/assert.ts';
import { allNodes, masterOf } from '../../../src/topology/cluster.ts';
import { openPromotion } from '../../../src/topology/facts.ts';
import { nodePolicy } from '../../../src/topology/policy.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { setNodesText } from '../../../src/topology/setnodes-text.ts';
import type { Cluster, Node, NodeId, Shard } from '../../../src/topology/types.ts';
import type { Violate } from '../ledger.ts';
import type { Trace } from '../trace.ts';
import type { Book, Manner } from './book.ts';
import type { Controller, Failover, Proposal } from './controller.ts';
import type { Evidence } from './evidence.ts';
import type { Fleet } from './fleet.ts';
import { CLUSTER, NAMESPACE } from './operator.ts';
import type { Topologies } from './topologies.ts';

export interface JudgeParts {
  readonly fleet: Fleet;
  readonly evidence: Evidence;
  readonly book: Book;
  readonly topologies: () => Topologies;
  readonly trace: Trace;
  readonly violate: Violate;
  readonly nowUs: () => number;
  /** A change of masters in a shard was committed, or begun. */
  readonly onChange: (shard: Shard, to: NodeId) => void;
  /** For how long whose place a spare takes has to be missed. */
  readonly replaceAfterSeconds: number;
}

interface Announced {
  readonly shardIndex: number;
  readonly manner: Manner;
  /** Nobody has asked for it. */
  readonly isAutomatic: boolean;
  /** Its shard had no promotion that was not seen to take effect. */
  readonly isSettled: boolean;
}

/** What is announced for now has to happen within this time, which is longer than a commit may take and than pauses between attempts. */
const DUE_MS_MAX = 15_000;

export class Judge {
  readonly #parts: JudgeParts;
  /** How masters are to be replaced, by the topology that does it. */
  readonly #announced = new Map<string, readonly Announced[]>();
  /** Since when a leader announces a change of masters without proposing it, virtual microseconds. */
  readonly #dueSinceUs = new Map<string, number>();
  failovers = 0;
  switchovers = 0;
  replacements = 0;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
  }

  /** A leader is about to propose: what it says of masters that do not answer has to be so. */
  proposed(proposal: Proposal): void {
    this.#checkReplacement(proposal);
    const announced = proposal.failovers.map((failover) => this.#announce(proposal, failover));
    if (announced.length > 0) this.#announced.set(nameOf(proposal.next), announced);
  }

  /** Looked at now and then: what a leader announces for now it does soon. A frozen one can do nothing. */
  listen(leader: Controller | null): void {
    const cluster = leader?.registry.getCluster(NAMESPACE, CLUSTER)?.cluster;
    const isAwake = leader !== null && !leader.process.paused;
    const due = new Set<string>();
    for (const [index, shard] of (isAwake ? (cluster?.shards ?? []) : []).entries()) {
      const next = leader?.terms.explain({ namespace: NAMESPACE, cluster: CLUSTER }, index)?.next ?? null;
      if (next !== null) due.add(`${leader?.id}/${leader?.leadsSinceUs}/${shard.id}/${next.node}`);
    }
    const { nowUs, violate } = this.#parts;
    for (const name of this.#dueSinceUs.keys()) if (!due.has(name)) this.#dueSinceUs.delete(name);
    for (const name of due) {
      const sinceUs = this.#dueSinceUs.get(name) ?? nowUs();
      this.#dueSinceUs.set(name, sinceUs);
      if (nowUs() - sinceUs > DUE_MS_MAX * 1000)
        violate('explained', `${name} is announced since ${sinceUs / 1000} ms and does not happen`);
    }
  }

  /** Whose place a spare takes has to be missed for as long as was wanted, and by a majority. */
  #checkReplacement({ by, record, next }: Proposal): void {
    const { evidence, fleet, violate, nowUs, replaceAfterSeconds } = this.#parts;
    const came = newcomers(record.cluster, next);
    if (came.length === 0) return;
    if (came.length > 1) violate('spares', `${came.length} nodes come at once`);
    for (const { address, role } of newcomers(next, record.cluster)) {
      const { leadsSinceUs } = by;
      const against = evidence.against({
        leader: by.id,
        voters: by.driver.membership.voterSets,
        master: address,
        nowUs: nowUs(),
        leadsSinceUs,
      });
      const { name } = fleet.at(address);
      if (role === 'master') violate('spares', `${name} is a master, and a spare takes its place`);
      if (against !== null) violate('spares', `a spare takes the place of ${name}, but ${against}`);
      const seenUs = evidence.lastAnswered(address, by.id, leadsSinceUs)?.startedUs ?? leadsSinceUs;
      if (nowUs() - seenUs < replaceAfterSeconds * 1_000_000)
        violate('spares', `a spare takes the place of ${name}, seen at ${seenUs / 1000} ms`);
    }
  }

  #announce({ by, record }: Proposal, { shardIndex, to, isDrained, why }: Failover): Announced {
    const { evidence, fleet, violate, nowUs } = this.#parts;
    const shard = record.cluster.shards[shardIndex];
    assert(shard !== undefined, 'a failover is of a shard');
    const { address } = masterOf(shard);
    const isAutomatic = by.byHand === 0 && !isDrained;
    const isSettled = openPromotion(record.facts, shard.id) === null;
    const isByItself = isAutomatic && isSettled;
    const said = isAutomatic
      ? by.terms.explain({ namespace: NAMESPACE, cluster: CLUSTER }, shardIndex)
      : null;
    if (said !== null && said.next?.node !== to)
      violate(
        'explained',
        `${to} takes over in shard ${shardIndex}, but what is told is "${said.verdict}: ${said.why}"`,
      );
    const against = isByItself
      ? evidence.against({
          leader: by.id,
          voters: by.driver.membership.voterSets,
          master: address,
          nowUs: nowUs(),
          leadsSinceUs: by.leadsSinceUs,
        })
      : null;
    if (against !== null)
      violate('evidence', `${fleet.at(address).name} is replaced (${why}), but ${against}`);
    const look = evidence.lastAnswered(address, by.id, by.leadsSinceUs);
    const judgedMs = evidence.lastJudgedMs(address, by.id, by.leadsSinceUs);
    return {
      shardIndex,
      isAutomatic,
      isSettled,
      manner: { isDrained, isForced: by.byForce > 0, look, judgedMs },
    };
  }

  /** Whoever comes has nothing: it would be taken for a part of its shard's history. */
  #checkNewcomers(before: Cluster, after: Cluster): void {
    const { fleet, violate } = this.#parts;
    const came = newcomers(before, after);
    if (came.length > 0 && newcomers(after, before).length > 0) this.replacements += 1;
    for (const { address } of came) {
      const { model, name } = fleet.at(address);
      if (model.version >= 0 || model.log.sequence > 0)
        violate('spares', `${name} comes with v${model.version}, at ${model.log.sequence}`);
    }
  }

  /** A version was committed; `before` is null for the first. */
  committed(before: ClusterRecord | null, after: ClusterRecord): void {
    const { trace, onChange, book } = this.#parts;
    trace.event('committed', 0, after.cluster.version);
    trace.say(0, () => `committed v${after.cluster.version}`);
    if (before === null) return;
    this.#checkNewcomers(before.cluster, after.cluster);
    for (const [shardIndex, next] of after.cluster.shards.entries()) {
      const shard = before.cluster.shards.find(({ id }) => id === next.id);
      if (shard === undefined) continue;
      if (shard.drain === null && next.drain !== null) onChange(shard, next.drain.to);
      if (masterOf(shard).id === masterOf(next).id) continue;
      const announced = this.#announced.get(nameOf(after.cluster)) ?? [];
      const found = announced.find((each) => each.shardIndex === shardIndex);
      assert(found !== undefined, 'a master is only replaced by a leader that tells so');
      if (!book.forced.has(shard.id))
        this.#checkWishes(found, { from: masterOf(shard).id, to: masterOf(next).id });
      if (found.manner.isDrained) this.switchovers += 1;
      else this.failovers += 1;
      book.changed(before, after, { shard, next, manner: found.manner });
      onChange(shard, masterOf(next).id);
    }
  }

  /** What people want was compared when it was committed: nothing happens by itself against it, but for data that is lost by force only here. */
  #checkWishes(
    { isAutomatic, isSettled, shardIndex }: Announced,
    { from, to }: { readonly from: NodeId; readonly to: NodeId },
  ): void {
    const { topologies, violate } = this.#parts;
    const { policy } = topologies();
    const against: string[] = [];
    if (isAutomatic && policy.automation !== null) against.push(`failover is ${policy.automation.failover}`);
    if (isAutomatic && isSettled && nodePolicy(policy, from).maintenance !== null)
      against.push('its master is in maintenance');
    if (isAutomatic && nodePolicy(policy, to).maintenance !== null)
      against.push('its successor is in maintenance');
    if (isAutomatic && nodePolicy(policy, to).failoverPriority === 0)
      against.push('its successor has the priority 0');
    if (against.length > 0)
      violate('wishes', `the master of shard ${shardIndex} is replaced, but ${against.join(' and ')}`);
  }
}

/** The nodes of `next` that `before` has not. */
function newcomers(before: Cluster, next: Cluster): readonly Node[] {
  const known = new Set(allNodes(before).map(({ node }) => node.id));
  return allNodes(next)
    .map(({ node }) => node)
    .filter(({ id }) => !known.has(id));
}

function nameOf(cluster: Cluster): string {
  return `${cluster.version}\n${setNodesText(cluster)}`;
}
