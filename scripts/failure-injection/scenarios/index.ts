// All scenarios, in the order in which `all` runs them.

import type { Drama, Scenario } from '../scenario.ts';
import { clockJumps } from './clock-jumps.ts';
import { fullDisk } from './full-disk.ts';
import { hostileOperator } from './hostile-operator.ts';
import { kill } from './kill.ts';
import { namespaces } from './namespaces.ts';
import { NODE_FAULTS } from './nodes.ts';
import { pause } from './pause.ts';
import { delays, oneWay, partitions } from './proxied.ts';
import { rollingRestart } from './rolling-restart.ts';

export const SCENARIOS: readonly (Drama | Scenario)[] = [
  kill,
  pause,
  partitions,
  oneWay,
  delays,
  namespaces,
  fullDisk,
  clockJumps,
  rollingRestart,
  ...NODE_FAULTS,
  hostileOperator,
];
