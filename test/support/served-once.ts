// Who serves a key, as clients of every node see it.

import { expect } from 'vitest';

import type { Scene } from './scene.ts';

/** The key is answered with `value` from wherever a client begins, and exactly one of the nodes takes writes of it. */
export async function expectServedOnce(
  stage: Scene,
  addresses: readonly string[],
  { key, value }: { readonly key: string; readonly value: string },
): Promise<void> {
  for (const address of addresses) expect(await stage.askCluster(address, 'GET', key)).toBe(value);
  const outcomes = await Promise.allSettled(
    addresses.map((address) => stage.ask(address, 'SET', key, value)),
  );
  const texts = outcomes.map((each) =>
    each.status === 'fulfilled' ? String(each.value) : String(each.reason.message),
  );
  expect(texts.filter((text) => text === 'OK')).toHaveLength(1);
  expect(texts.filter((text) => text !== 'OK' && !text.startsWith('MOVED'))).toEqual([]);
}
