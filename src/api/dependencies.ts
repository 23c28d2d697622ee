// What every route is given.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type {
  Backups,
  Clusters,
  Failovers,
  GroupChanges,
  GroupView,
  LeaderWait,
  NodeInspector,
  RequestMetrics,
} from './ports.ts';

export interface ApiDependencies {
  readonly group: GroupView;
  readonly leaderWait: LeaderWait;
  readonly groupChanges: GroupChanges;
  readonly backups: Backups;
  readonly clusters: Clusters;
  readonly inspector: NodeInspector;
  readonly failovers: Failovers;
  readonly metrics: RequestMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}
