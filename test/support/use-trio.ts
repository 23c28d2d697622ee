// What test files share: a trio for the file, whose logs are shown when a test fails, and scenes that end with their test.

import { afterAll, afterEach, beforeAll } from 'vitest';

import { startTrio, type Trio, type TrioOptions } from './controller-process.ts';
import { Scene, type SceneOptions } from './scene.ts';

/** Registers the hooks and gives the trio to tests through the returned function. Options that earlier hooks make are asked for when it starts. */
export function useTrio(options: TrioOptions | (() => TrioOptions) = {}): () => Trio {
  let trio: Trio | null = null;
  beforeAll(async () => {
    trio = await startTrio(typeof options === 'function' ? options() : options);
  });
  afterEach((context) => {
    if (context.task.result?.state === 'fail' && trio !== null) console.error(trio.logTails());
  });
  afterAll(async () => {
    await trio?.stop();
  });
  return () => {
    if (trio === null) throw new Error('the trio is not running yet');
    return trio;
  };
}

/** A function that makes scenes for the test that calls it; they end after it. */
export function useScenes(trio: () => Trio): (options?: SceneOptions) => Scene {
  const open: Scene[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((scene) => scene.end()));
  });
  return (options = {}) => {
    const scene = new Scene(trio().api, options);
    open.push(scene);
    return scene;
  };
}
