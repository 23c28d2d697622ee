// Everything an operator does to a cluster of Kvrocks nodes, and everything that befalls it, one after the other.

import { runHostileOperator } from '../hostile-operator/trial.ts';
import type { Drama } from '../scenario.ts';

export const hostileOperator: Drama = {
  name: 'hostile-operator',
  summary:
    'six Kvrocks nodes under kills, hangs, wiped disks, cuts, failovers by hand, migrations and moved nodes; no acknowledged write may be lost',
  takesActions: true,
  run: runHostileOperator,
};
