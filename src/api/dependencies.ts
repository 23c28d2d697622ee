// What every route is given.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { AdmissionQueue } from './admission/queue.ts';
import type { ApiDescription } from './description.ts';
import type {
  Attention,
  Backups,
  BackupVerifier,
  Clusters,
  Configuration,
  DepartureLists,
  Events,
  Failovers,
  GroupChanges,
  GroupView,
  Health,
  Insight,
  LeaderWait,
  NodeInspector,
  Policies,
  RequestMetrics,
  Upgrades,
  WebhookRecords,
} from './ports.ts';

export interface ApiDependencies {
  readonly group: GroupView;
  readonly configuration: Configuration;
  readonly health: Health;
  readonly leaderWait: LeaderWait;
  readonly groupChanges: GroupChanges;
  readonly upgrades: Upgrades;
  readonly backups: Backups;
  readonly backupVerifier: BackupVerifier;
  readonly clusters: Clusters;
  readonly policies: Policies;
  readonly departures: DepartureLists;
  readonly events: Events;
  readonly webhooks: WebhookRecords;
  readonly inspector: NodeInspector;
  readonly failovers: Failovers;
  readonly attention: Attention;
  readonly insight: Insight;
  readonly metrics: RequestMetrics;
  readonly description: ApiDescription;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What routes that take nodes in are given. */
export interface TakingDependencies extends ApiDependencies {
  /** One for the whole application: whoever takes nodes in waits for its turn. */
  readonly admissions: AdmissionQueue;
}

/** Seconds since the Unix epoch, for records. */
export function wallSeconds({ clock }: Pick<ApiDependencies, 'clock'>): number {
  return Math.floor(clock.wallMs() / 1000);
}
