// The recorded transcripts of a real server, replayed against the simulator (or against KVROCKS_BIN).
//
// | transcript | replayed | left out, and why |
// | --- | --- | --- |
// | 01, 02, 06, 10a, 12, 13 | whole | |
// | 03 | whole but 3 readings | 92, 95, 315: the state within microseconds of a write |
// | 04 | whole | |
// | 05a, 05c, 05d, 05e, 05g | whole, with less data | counts of keys in notes: fewer keys are loaded |
// | 05b | whole but 1 reading, with less data | 185: a counter of the recording's own background writer |
// | 05f | whole but 3 commands, with less data | 284, 288: another connection id (done by a hook); 456: a mark seen before clean-up |
// | 07 | whole but 1 reading | 170: ROLE within microseconds of SETNODES |
// | 08 | to line 153, but 1 reading | 66: the feeds of dead links within 1 ms; after 153 start and stop times only |
// | 09 | whole | values of INFO that depend on machine or moment |
// | 10b (both) | whole; what the notes describe is asserted by hooks | the timeline of the notes |
// | 10c | whole, without sequence numbers | 50 MB of writes into a hung replica: notes only |
// | 10d | not | use-rsid-psync is not simulated |
// | 10e | sizes of all four topologies | times |
// | 10f | whole, with less data | |
// | 11a | whole | |
// | 11b | whole but 4 readings | 37, 60, 84, 87: lists with links that are dead but not noticed for 2-4 s |
//
// Normalised everywhere: times, process ids, connection ids and ports, ages, cursors, random line order (replay/normalise.ts).

import { describe, expect, test } from 'vitest';

import { MIGRATION_PLANS } from './replay/plans-migration.ts';
import { REPLICATION_PLANS } from './replay/plans-replication.ts';
import { TOPOLOGY_PLANS } from './replay/plans-topology.ts';
import { Replay } from './replay/replay.ts';

const PLANS = { ...TOPOLOGY_PLANS, ...REPLICATION_PLANS, ...MIGRATION_PLANS };

describe.concurrent('the replies of the recorded transcripts are given', () => {
  for (const [name, plan] of Object.entries(PLANS)) {
    test(name, { timeout: 60_000 }, async () => {
      const replay = new Replay(name, plan);
      await replay.run();
      expect(replay.compared).toBeGreaterThan(0);
    });
  }
});
