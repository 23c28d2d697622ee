// What people want of the automation, as records of the store: read locally, changed by comparison.

import { err, ok, type Result } from '../base/result.ts';
import type { Store, StoredValue } from '../store/types.ts';
import {
  type ClusterPolicy,
  type GroupPolicy,
  NO_CLUSTER_POLICY,
  NO_GROUP_POLICY,
  type Webhook,
} from '../topology/policy.ts';
import type { EventDraft } from '../topology/event.ts';
import type { ChangeError, ClusterPlace } from '../topology/record.ts';
import { isNoSpares } from '../topology/spares.ts';
import { planClaims } from './claims.ts';
import type { NodeAddress } from '../topology/types.ts';
import type { Committer, Planned, TransactionPlan } from './committer.ts';
import type { EventLog } from './event-log.ts';
import { POLICY_LEVEL, SPARES_LEVEL } from './feature-level.ts';
import { clusterKey, GROUP_POLICY_KEY, policyKey } from './keys.ts';
import {
  decodeClusterPolicy,
  decodeGroupPolicy,
  encodeClusterPolicy,
  encodeGroupPolicy,
} from './policy-codec.ts';
import { decodeCluster } from './record-codec.ts';
import { cursorKey, encodeCursor } from './webhook-cursors.ts';

/** The keys of the policies that a decision was made under, with their revisions. */
export type PolicyStamp = TransactionPlan['compare'];

export interface PoliciesParts {
  readonly store: Store;
  readonly committer: Committer;
  readonly events: EventLog;
  /** See `RegistryOptions`. */
  readonly featureLevel: () => number;
}

export class Policies {
  readonly #parts: PoliciesParts;
  /** A stored value never changes, so it is decoded once. */
  readonly #ofClusters = new WeakMap<StoredValue, ClusterPolicy>();
  readonly #ofGroup = new WeakMap<StoredValue, GroupPolicy>();

  constructor(parts: PoliciesParts) {
    this.#parts = parts;
  }

  /** Local, as all reads are; nothing wanted where nobody said anything. */
  ofCluster(place: ClusterPlace): ClusterPolicy {
    const stored = this.#parts.store.get(policyKey(place));
    return stored === null ? NO_CLUSTER_POLICY : decoded(this.#ofClusters, stored, decodeClusterPolicy);
  }

  ofGroup(): GroupPolicy {
    const stored = this.#parts.store.get(GROUP_POLICY_KEY);
    return stored === null ? NO_GROUP_POLICY : decoded(this.#ofGroup, stored, decodeGroupPolicy);
  }

  /** Why nothing can be recorded at the level of the group; null when it can. */
  get refusal(): ChangeError | null {
    const current = this.#parts.featureLevel();
    return current < POLICY_LEVEL ? { kind: 'featureLevel', needed: POLICY_LEVEL, current } : null;
  }

  /** What has to be unchanged for what is wanted of the cluster to be unchanged. */
  stamp(place: ClusterPlace): PolicyStamp {
    return [policyKey(place), GROUP_POLICY_KEY].map((key) => ({ key, revision: this.#revisionAt(key) }));
  }

  /**
   * Puts what `change` makes of the newest policy in its place, and tells `event`. The addresses of spares are taken and released with it. Fails with
   * `missing` (no such cluster), `addressTaken` or `featureLevel`.
   */
  changeCluster(
    place: ClusterPlace,
    change: (policy: ClusterPolicy) => ClusterPolicy,
    event: EventDraft,
  ): Promise<Result<void, ChangeError>> {
    return this.#commit(() => {
      const cluster = this.#parts.store.get(clusterKey(place));
      if (cluster === null) return err({ kind: 'missing' });
      const key = policyKey(place);
      const { version } = decodeCluster(cluster).cluster;
      const versions = { before: version, after: version };
      const before = this.ofCluster(place);
      const after = change(before);
      const level = this.#parts.featureLevel();
      if (level < SPARES_LEVEL && !isNoSpares(after.spares))
        return err({ kind: 'featureLevel', needed: SPARES_LEVEL, current: level });
      const claims = planClaims(this.#parts.store, place, {
        before: spareAddresses(before),
        after: spareAddresses(after),
      });
      if (!claims.ok) return claims;
      const told = this.#parts.events.part({ place, drafts: [event], actor: 'api', versions });
      const compare = [
        { key, revision: this.#revisionAt(key) },
        { key: cluster.key, revision: cluster.revision },
        ...claims.value.compare,
        ...told.compare,
      ];
      const value = encodeClusterPolicy(after, level);
      return ok({
        compare,
        put: [{ key, value }, ...claims.value.put, ...told.put],
        remove: [...claims.value.remove, ...told.remove],
      });
    });
  }

  /** As `changeCluster`, for every cluster of the group. */
  changeGroup(
    change: (policy: GroupPolicy) => GroupPolicy,
    event: EventDraft,
  ): Promise<Result<void, ChangeError>> {
    return this.#commit(() => {
      const key = GROUP_POLICY_KEY;
      const value = encodeGroupPolicy(change(this.ofGroup()));
      const told = this.#parts.events.part({ place: null, drafts: [event], actor: 'api', versions: null });
      const compare = [{ key, revision: this.#revisionAt(key) }, ...told.compare];
      return ok({ compare, put: [{ key, value }, ...told.put], remove: told.remove });
    });
  }

  /** Records who is told of events, in the place of all before: who is new is told what happens from now on. Fails with `featureLevel`. */
  setWebhooks(
    choose: (present: readonly Webhook[]) => readonly Webhook[],
    event: EventDraft,
  ): Promise<Result<void, ChangeError>> {
    return this.#commit(() => {
      const { store, events } = this.#parts;
      const present = this.ofGroup();
      const webhooks = choose(present.webhooks);
      const names = new Set(webhooks.map(({ name }) => name));
      const known = new Set(present.webhooks.map(({ name }) => name));
      const told = events.part({ place: null, drafts: [event], actor: 'api', versions: null });
      const value = encodeGroupPolicy({ ...present, webhooks });
      const begun = [...names].filter((name) => !known.has(name));
      return ok({
        compare: [
          { key: GROUP_POLICY_KEY, revision: store.get(GROUP_POLICY_KEY)?.revision ?? 0 },
          ...told.compare,
        ],
        put: [
          { key: GROUP_POLICY_KEY, value },
          ...begun.map((name) => ({ key: cursorKey(name), value: encodeCursor(events.newest) })),
          ...told.put,
        ],
        remove: [...[...known].filter((name) => !names.has(name)).map(cursorKey), ...told.remove],
      });
    });
  }

  async #commit(plan: () => Planned): Promise<Result<void, ChangeError>> {
    const committed = await this.#parts.committer.commit(() => {
      const { refusal } = this;
      return refusal === null ? plan() : err(refusal);
    });
    return committed.ok ? ok(undefined) : committed;
  }

  #revisionAt(key: string): number {
    return this.#parts.store.get(key)?.revision ?? 0;
  }
}

/** The addresses that a cluster holds for its spares. */
export function spareAddresses({ spares }: ClusterPolicy): ReadonlySet<NodeAddress> {
  return new Set(spares.nodes.map(({ address }) => address));
}

function decoded<Policy>(
  known: WeakMap<StoredValue, Policy>,
  stored: StoredValue,
  decode: (stored: StoredValue) => Policy,
): Policy {
  const before = known.get(stored);
  if (before !== undefined) return before;
  const policy = decode(stored);
  known.set(stored, policy);
  return policy;
}
