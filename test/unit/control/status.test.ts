// What people and metrics are shown of a cluster, by the same rules that decisions are made by.

import { expect, test } from 'vitest';

import { lookAt } from '../../../src/control/situation.ts';
import { clusterStatus } from '../../../src/control/status.ts';
import { Scene } from '../control/scene.ts';
import { name } from '../topology/arbitrary.ts';

function linkFaults(scene: Scene): (string | null | undefined)[] {
  const { nodes } = clusterStatus({ namespace: name('ns'), cluster: scene.cluster }, lookAt(scene), {
    problems: [],
    departed: [],
  });
  return nodes.map(({ seen }) => seen?.linkFault);
}

test('KB1: a link that says "up" and heard nothing for long is shown with what is wrong with it', () => {
  const scene = new Scene(1, 3);
  expect(linkFaults(scene)).toEqual([undefined, undefined, undefined]);
  scene.set(scene.id(0, 1), { link: 'up', lastIoSeconds: 24 });
  scene.round();
  expect(linkFaults(scene)).toEqual([
    null,
    expect.stringContaining('it last heard from its master 24 s'),
    null,
  ]);
});
