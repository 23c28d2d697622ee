// Judges every change of masters: when it is proposed, by the evidence; when it is committed, by what it costs.

import { assert } from '../../../src/base/assert.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { openPromotion } from '../../../src/topology/facts.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { setNodesText } from '../../../src/topology/setnodes-text.ts';
import type { Cluster, NodeId, Shard } from '../../../src/topology/types.ts';
import type { Violate } from '../ledger.ts';
import type { Trace } from '../trace.ts';
import type { Book, Manner } from './book.ts';
import type { Failover, Proposal } from './controller.ts';
import type { Evidence } from './evidence.ts';
import type { Fleet } from './fleet.ts';

export interface JudgeParts {
  readonly fleet: Fleet;
  readonly evidence: Evidence;
  readonly book: Book;
  readonly trace: Trace;
  readonly violate: Violate;
  readonly nowUs: () => number;
  /** A change of masters in a shard was committed, or begun. */
  readonly onChange: (shard: Shard, to: NodeId) => void;
}

interface Announced {
  readonly shardIndex: number;
  readonly manner: Manner;
}

export class Judge {
  readonly #parts: JudgeParts;
  /** How masters are to be replaced, by the topology that does it. */
  readonly #announced = new Map<string, readonly Announced[]>();
  failovers = 0;
  switchovers = 0;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
  }

  /** A leader is about to propose: what it says of masters that do not answer has to be so. */
  proposed(proposal: Proposal): void {
    const announced = proposal.failovers.map((failover) => this.#announce(proposal, failover));
    if (announced.length > 0) this.#announced.set(nameOf(proposal.next), announced);
  }

  #announce({ by, record }: Proposal, { shardIndex, isDrained, why }: Failover): Announced {
    const { evidence, fleet, violate, nowUs } = this.#parts;
    const shard = record.cluster.shards[shardIndex];
    assert(shard !== undefined, 'a failover is of a shard');
    const { address } = masterOf(shard);
    const isByItself = by.byHand === 0 && !isDrained && openPromotion(record.facts, shard.id) === null;
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
    return { shardIndex, manner: { isDrained, isForced: by.byForce > 0, look, judgedMs } };
  }

  /** A version was committed; `before` is null for the first. */
  committed(before: ClusterRecord | null, after: ClusterRecord): void {
    const { trace, onChange, book } = this.#parts;
    trace.event('committed', 0, after.cluster.version);
    trace.say(0, () => `committed v${after.cluster.version}`);
    if (before === null) return;
    for (const [shardIndex, next] of after.cluster.shards.entries()) {
      const shard = before.cluster.shards.find(({ id }) => id === next.id);
      if (shard === undefined) continue;
      if (shard.drain === null && next.drain !== null) onChange(shard, next.drain.to);
      if (masterOf(shard).id === masterOf(next).id) continue;
      const announced = this.#announced.get(nameOf(after.cluster)) ?? [];
      const found = announced.find((each) => each.shardIndex === shardIndex);
      assert(found !== undefined, 'a master is only replaced by a leader that tells so');
      if (found.manner.isDrained) this.switchovers += 1;
      else this.failovers += 1;
      book.changed(before, after, { shard, next, manner: found.manner });
      onChange(shard, masterOf(next).id);
    }
  }
}

function nameOf(cluster: Cluster): string {
  return `${cluster.version}\n${setNodesText(cluster)}`;
}
