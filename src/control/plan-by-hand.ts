// What a failover by hand would do now and what it would cost, without doing it: the same choice, told instead of made.

import type { Result } from '../base/result.ts';
import { replicasOf } from '../topology/cluster.ts';
import type { Node, NodeId, NodeAddress, Shard } from '../topology/types.ts';
import { judged, vacancyOf } from './candidates.ts';
import { type Choice, type HandChoice, chooseByHand, unusableReason } from './failover-by-hand.ts';
import { type NodeView, type Situation, masterView, nodeName } from './situation.ts';

export interface HandPlan {
  /**
   * `drain`: the master lives and lets its clients go before the new one takes over. `failover`: the new one takes over at once. `acceptance`: the
   * master stays as it is, without the data it lost. `none`: it would be refused.
   */
  readonly kind: 'drain' | 'failover' | 'acceptance' | 'none';
  /** Null where nobody would take over. */
  readonly newMaster: NodeId | null;
  /** Why so, or why not: a sentence for people. */
  readonly why: string;
  /** What may be lost by it, a sentence for people; null where nothing can be. */
  readonly mayBeLost: string | null;
  readonly master: {
    readonly id: NodeId;
    readonly address: NodeAddress;
    readonly isAnswering: boolean;
    /** Where it was last known to stand; null when that is not known. */
    readonly sequence: number | null;
  };
  readonly candidates: readonly CandidatePlan[];
}

export interface CandidatePlan {
  readonly id: NodeId;
  readonly address: NodeAddress;
  readonly sequence: number | null;
  /** Sequence numbers it lacks of the last known position of the master; null when either is not known. */
  readonly behind: number | null;
  /** Whether it may take over by the rules, that is, without force. */
  readonly isEligible: boolean;
  readonly why: string;
}

/** What `chooseByHand` would do, and how each replica stands. */
export function planByHand(
  situation: Situation,
  { shard, choice }: { readonly shard: Shard; readonly choice: HandChoice },
): HandPlan {
  const master = masterView(situation, shard);
  const known = master.memory.positions.at(-1)?.sequence ?? master.facts.sequence;
  const chosen = chooseByHand(situation, choice);
  return {
    ...outcomeOf(situation, { chosen, choice, master }),
    master: {
      id: master.node.id,
      address: master.node.address,
      isAnswering: master.condition === 'answering',
      sequence: known,
    },
    candidates: replicasOf(shard).map((node) => candidatePlan(situation, { shard, node, choice, known })),
  };
}

function outcomeOf(
  situation: Situation,
  found: { readonly chosen: Result<Choice, string>; readonly choice: HandChoice; readonly master: NodeView },
): Pick<HandPlan, 'kind' | 'newMaster' | 'why' | 'mayBeLost'> {
  const { chosen, choice, master } = found;
  if (!chosen.ok) return { kind: 'none', newMaster: null, why: chosen.error, mayBeLost: null };
  const { action, newMaster, isDrain, isAcceptance, warning } = chosen.value;
  const why = action.reasons.map((reason) => ('text' in reason ? reason.text : '')).join('; ');
  if (isDrain) return { kind: 'drain', newMaster, why, mayBeLost: null };
  if (newMaster === master.node.id) return { kind: 'acceptance', newMaster, why, mayBeLost: warning };
  const isAlive = choice.floor !== null;
  const until = isAlive ? 'until it is told that it was replaced' : 'after it was last looked at';
  const unknown = `what ${nodeName(master)} acknowledges ${until}, and the new master had not received`;
  const lag = situation.views.get(newMaster);
  const behind = behindOf(master.memory.positions.at(-1)?.sequence ?? master.facts.sequence, lag);
  const missing = behind === null || behind === 0 ? '' : `; ${behind} numbers are known to be missing`;
  return { kind: 'failover', newMaster, why, mayBeLost: isAcceptance ? warning : `${unknown}${missing}` };
}

function candidatePlan(
  situation: Situation,
  found: {
    readonly shard: Shard;
    readonly node: Node;
    readonly choice: HandChoice;
    readonly known: number | null;
  },
): CandidatePlan {
  const { shard, node, choice, known } = found;
  const { view, verdict } = judged(
    situation,
    {
      ...vacancyOf(situation, shard),
      sinceMs: choice.askedAtMs,
      preferred: choice.preferred,
      isForced: choice.isForced,
    },
    node,
  );
  const unusable = unusableReason(situation, view, choice);
  return {
    id: node.id,
    address: node.address,
    sequence: view.report?.sequence ?? null,
    behind: behindOf(known, view),
    isEligible: unusable === null && verdict.kind === 'eligible',
    why: unusable ?? verdict.why,
  };
}

function behindOf(known: number | null, view: NodeView | undefined): number | null {
  const sequence = view?.report?.sequence ?? null;
  return known === null || sequence === null ? null : Math.max(0, known - sequence);
}
