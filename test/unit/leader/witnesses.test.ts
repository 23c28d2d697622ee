import { describe, expect, it } from 'vitest';

import { masterOf } from '../../../src/topology/cluster.ts';
import { OPTIONS, PING_INTERVAL_MS, Scene } from './scene.ts';

const WINDOW_MS = PING_INTERVAL_MS * OPTIONS.maxPingCount;

/** A shard of a master and a replica under a leader with two more members, which see `others` of whatever they are asked about. */
async function settled(): Promise<Scene> {
  const scene = new Scene(1, 2);
  for (const member of [2, 3]) scene.witnesses.sees.set(member, 'answered');
  await scene.settle();
  return scene;
}

function others(scene: Scene, ...kinds: readonly Parameters<typeof scene.witnesses.sees.set>[1][]): void {
  for (const [index, kind] of kinds.entries()) scene.witnesses.sees.set(2 + index, kind);
}

describe('a master that the leader does not find', () => {
  it('is asked about at once, and not replaced as long as another member is answered', async () => {
    const scene = await settled();
    expect(scene.witnesses.asked).toEqual([]);
    scene.model(0, 0).state = 'hung';
    others(scene, 'silent', 'answered');
    await scene.clock.advance(10 * WINDOW_MS);
    expect(scene.witnesses.asked.length).toBeGreaterThan(4);
    expect(scene.cluster.version).toBe(1);
    others(scene, 'silent', 'silent');
    await scene.clock.until(() => scene.model(0, 1).isMaster, WINDOW_MS);
    await scene.stop();
  });

  it('is not replaced by the leader alone, whose questions nobody answers', async () => {
    const scene = await settled();
    scene.model(0, 0).state = 'dead';
    others(scene, null, null);
    await scene.clock.advance(10 * WINDOW_MS);
    expect(scene.cluster.version).toBe(1);
    expect(scene.events('problem.found').map(({ fields }) => fields['problem'])).toContain(
      'masterUnconfirmed',
    );
    others(scene, null, 'refused');
    await scene.clock.until(() => scene.model(0, 1).isMaster, WINDOW_MS);
    await scene.stop();
  });

  it('whose process is gone by the word of a majority is replaced after the grace, not after the window', async () => {
    const scene = new Scene(1, 2, { ...OPTIONS, pingIntervalMs: 3000, restartGraceMs: 800 });
    for (const member of [2, 3]) scene.witnesses.sees.set(member, 'refused');
    await scene.settle();
    await scene.clock.advance(1000);
    const { address } = masterOf(scene.cluster.shards[0]!);
    scene.model(0, 0).state = 'dead';
    scene.fleet.onLost(address);
    const tookMs = await scene.clock.until(() => scene.model(0, 1).isMaster, 3000);
    expect(tookMs).toBeGreaterThanOrEqual(800);
    expect(tookMs).toBeLessThan(1000);
    await scene.stop();
  });

  it('that ends every connection at once is not asked without end', async () => {
    const scene = await settled();
    const model = scene.model(0, 0);
    const before = model.probes;
    for (let count = 0; count < 100; count += 1) {
      scene.fleet.onLost(model.address);
      await scene.clock.advance(10);
    }
    expect(model.probes - before).toBeLessThan(6);
    await scene.stop();
  });

  it('and that is back within the grace stays master', async () => {
    const scene = new Scene(1, 2, { ...OPTIONS, pingIntervalMs: 3000, restartGraceMs: 800 });
    for (const member of [2, 3]) scene.witnesses.sees.set(member, 'refused');
    await scene.settle();
    scene.model(0, 0).state = 'dead';
    scene.fleet.onLost(scene.model(0, 0).address);
    await scene.clock.advance(700);
    scene.model(0, 0).state = 'up';
    await scene.clock.advance(20_000);
    expect(scene.cluster.version).toBe(1);
    await scene.stop();
  });
});

describe('a leader that misses masters which others see', () => {
  it('gives the lead to the member that is answered by more of them, after a window', async () => {
    const scene = await settled();
    scene.model(0, 0).state = 'hung';
    others(scene, 'silent', 'answered');
    await scene.clock.advance(WINDOW_MS / 2);
    expect(scene.givenTo).toEqual([]);
    await scene.clock.advance(2 * WINDOW_MS);
    expect(scene.givenTo).toEqual([3]);
    await scene.clock.advance(5 * WINDOW_MS);
    expect(scene.givenTo).toEqual([3]);
    await scene.stop();
  });

  it('keeps the lead when the node has just come back, and another was only the first to look', async () => {
    const scene = await settled();
    scene.model(0, 0).state = 'hung';
    others(scene, 'silent', 'silent');
    scene.model(0, 1).state = 'hung';
    await scene.clock.advance(2 * WINDOW_MS);
    others(scene, 'answered', 'answered');
    const isCompared = (): boolean => scene.witnesses.asked.some((nodes) => nodes.length === 2);
    await scene.clock.until(isCompared, 20 * WINDOW_MS);
    expect(scene.givenTo).toEqual([]);
    for (const index of [0, 1]) scene.model(0, index).state = 'up';
    await scene.clock.advance(20 * WINDOW_MS);
    expect(scene.givenTo).toEqual([]);
    await scene.stop();
  });
});
