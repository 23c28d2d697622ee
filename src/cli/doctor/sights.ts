// What the doctor has seen: of each member what it told, part by part, with the reason where it did not.

import type { Result } from '../../base/result.ts';
import type { ConfigBody } from '../commands/configuration.ts';
import type { PeersBody } from '../commands/raft.ts';
import type { StatusBody } from '../commands/status-body.ts';
import type { UpgradeBody } from '../commands/upgrade.ts';
import type { Sample } from './metrics-text.ts';

/** One check of `/readyz?verbose`. */
export interface ReadinessCheck {
  readonly name: string;
  readonly problem: string | null;
}

export interface MemberSight {
  readonly id: number;
  readonly addr: string;
  /** Why it told nothing at all; null where it answers. */
  readonly silence: string | null;
  /** The group as it knows it; null where it is silent. */
  readonly peers: PeersBody | null;
  readonly readiness: Result<readonly ReadinessCheck[], string>;
  readonly config: Result<ConfigBody, string>;
  readonly metrics: Result<readonly Sample[], string>;
}

export interface ClusterSeen {
  readonly namespace: string;
  readonly status: StatusBody;
}

export interface Sights {
  readonly nowSeconds: number;
  /** Everybody that a member which answers counts as one. */
  readonly members: readonly MemberSight[];
  readonly upgrade: Result<UpgradeBody, string>;
  readonly clusters: Result<readonly ClusterSeen[], string>;
}
