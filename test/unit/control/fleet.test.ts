import { describe, expect, test } from 'vitest';

import { minimise } from './model/minimise.ts';
import { drawPlan } from './model/plan.ts';
import { runSeed } from './model/run.ts';

const SEEDS = 200;

/** The least of the run that still fails, with everything that happened in it. */
function explain(seed: number): string {
  const { keep, isCalm, verdict } = minimise({ seed });
  const share = `--keep ${keep.join(',') || 'none'}${isCalm ? ' --calm' : ''}`;
  return [...verdict.trace, verdict.fault, `npm run simulate:fleet -- --seed ${seed} ${share}`].join('\n');
}

test('whatever happened to a fleet, in the end every acknowledged write is with its master, every replica is a copy, and all has settled', () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    if (runSeed({ seed }).fault !== null) expect.fail(explain(seed));
  }
}, 120_000);

test('the same seed does the same again', () => {
  const first = runSeed({ seed: 26, isTraced: true });
  expect(runSeed({ seed: 26, isTraced: true })).toEqual(first);
  expect(first.trace.length).toBeGreaterThan(50);
});

test('a fleet that is left alone settles, takes writes and does nothing else', () => {
  const { fault, writes, failovers, migrations } = runSeed({ seed: 5, keep: new Set(), isCalm: true });
  expect({ fault, failovers, migrations }).toEqual({ fault: null, failovers: 0, migrations: 0 });
  expect(writes).toBeGreaterThan(100);
});

test('masters are changed as planned in the runs, and such changes are also undone', () => {
  const unseen = new Set(['drainStarted', 'was drained at', 'drainUndone']);
  for (let seed = 1; seed <= SEEDS && unseen.size > 0; seed += 1) {
    const trace = runSeed({ seed, isTraced: true }).trace.join('\n');
    for (const words of unseen) if (trace.includes(words)) unseen.delete(words);
  }
  expect(unseen).toEqual(new Set());
});

test('happenings of every kind take place in the runs', () => {
  const kinds = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    for (const { kind } of drawPlan(seed).happenings) kinds.add(kind);
  }
  expect(kinds.size).toBe(24);
});

describe('a run that once went wrong goes well', () => {
  test.each([
    [
      'a replica that ran after a stranger at the address of its master is no copy, though its link and number look well',
      64,
    ],
    ['a full synchronisation from a stranger does not make a copy', 105],
    ['KA4: a replica that may have copied a stranger does not take over', 1415],
    ['a replica of a master that is silent to us alone goes on growing until it is cut off', 1364],
    ['an emptied master that dies again is not taken for a shard that was always empty', 384],
    ['nobody is made anew from an emptied master', 479],
    ['a shard noted empty ten seconds ago is not known to be empty', 1026],
    ['what a leader knew of a lagging replica is known to the next', 823],
    ['a node that was told topologies by somebody else is no copy by its version', 151],
    [
      'KC2: slots that a paused source hands over after it was replaced are not served by the target for ever',
      813,
    ],
    ['an emptied target that is accepted as it is does not get slots whose only copy is at the source', 1160],
    ['a version says nothing of who gave it', 1486],
    ['a source that says that its job failed has handed nothing over, whatever its target took', 561],
    ['a catch-up that was under way when the leader died with the master is no link that kept up', 1843],
    ['who met a stranger at its master is no copy, also when the last look at that master was lost', 5652],
    ['who was told to follow by somebody else before it was compared is no copy', 2958],
    ['a link that is down may be up before the topology comes', 8014],
    ['a replica that begins a synchronisation from its emptied master has what it had', 2790],
    ['a master that is told a new version is written down meanwhile', 2185],
    ['nobody is told to follow an address at which somebody else answers', 8677],
    ['who followed an old master that is to be made anew is no copy', 18666],
    ['a target that gives errors only may have the slots', 11424],
    ['slots that were handed over to a silent target are not taken back from it', 12485],
    ['a new master that met a stranger before it was told is none', 21378],
    ['where a master stood when it was missed is known to the next leader', 19625],
    ['a new master that may have met a stranger is accepted by force', 9724],
    ['slots that came to a target before the leader did are taken back, too', 13607],
    ['KC1: a source that forgot its success in a restart has had it', 27534],
    ['who follows by somebody else at first sight is compared with what is written down', 27616],
    ['an old master that others made a replica while nobody looked is none', 42706],
    ['a success of another move says nothing of slots that nobody moves', 59940],
    ['a replica may meet a stranger between the look and the topology', 36209],
    ['a replica that nobody could look at may have met a stranger', 44845],
    ['slots that were handed over to a master of old come back', 45285],
    ['a link to a master that nobody could look at says nothing of keeping up', 92177],
    ['who may have met a stranger is written down, also when it does not answer', 103561],
    ['a master that lost its data has lost it, however far it goes on', 114224],
    ['what may have met a stranger on its way to a new copy begins anew', 139653],
    ['who takes over has not met a stranger at the address of a replica', 144015],
    ['nothing is moved to a master that has lost its data', 150059],
    ['a master that only gave errors stands at an unknown position', 199670],
    ['a promotion that was not seen to take effect is not followed by that of an emptier node', 2388],
    ['a target whose success was never heard of is told before slots are copied to it again', 211],
    [
      'a replica that others made a master, and then a replica again, while pushes are held is no copy',
      36065,
    ],
    ['who is to be made anew is cut off from whom it follows before its master is there', 39485],
    ['who was to be made anew when it left does not come back as a copy', 41977],
    ['a replica that has nothing of the slots that came to its master is behind it', 16477],
    ['slots that come to a target once more are taken back once more', 17987],
    ['a replica that its emptied master is overwriting takes over before another is asked', 20421],
    ['a fence that was lost on its way is put up a second later', 8249],
    ['a topology that was lost on its way is repeated a second later', 23432],
    ['a new master that followed a Redis server before it was told is kept', 41807],
  ])('%s: seed %i', (_, seed) => {
    expect(runSeed({ seed }).fault).toBe(null);
  });

  test.each([100_469, 101_270, 109_592])(
    'who comes back following an old master that belongs to another shard by now is no copy: seed %i',
    (seed) => {
      const kinds = ['removeReplica', 'rejoin', 'failover', 'kill', 'replaceReplica'] as const;
      expect(runSeed({ seed, kinds }).fault).toBe(null);
    },
  );
});
