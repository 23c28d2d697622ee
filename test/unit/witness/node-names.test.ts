// Which names a member looks up before anybody asks it to look at a node.

import { expect, test } from 'vitest';

import { NodeNames } from '../../../src/witness/node-names.ts';
import { FakeClock } from '../leader/fake-clock.ts';

function keeper(): {
  readonly clock: FakeClock;
  readonly names: NodeNames;
  readonly hosts: string[];
  readonly asked: string[];
  readonly dead: Set<string>;
} {
  const [clock, hosts, asked, dead] = [new FakeClock(), [] as string[], [] as string[], new Set<string>()];
  const names = new NodeNames({
    clock,
    hosts: () => hosts,
    resolve: (host) => {
      asked.push(host);
      return Promise.resolve(!dead.has(host));
    },
  });
  return { clock, names, hosts, asked, dead };
}

test('the names of the records are looked up at once, each once, and addresses never', async () => {
  const { clock, names, hosts, asked } = keeper();
  hosts.push('a.test', '127.0.0.1', 'b.test', 'a.test', '::1');
  names.refresh();
  await clock.advance(1000);
  expect(asked).toEqual(['a.test', 'b.test']);
});

test('one that cannot be resolved is tried again after seconds, a known one after a minute', async () => {
  const { clock, names, hosts, asked, dead } = keeper();
  hosts.push('good.test', 'dead.test');
  dead.add('dead.test');
  names.refresh();
  await clock.advance(30_000);
  expect(asked.filter((host) => host === 'good.test')).toHaveLength(1);
  const tries = asked.filter((host) => host === 'dead.test').length;
  expect(tries).toBeGreaterThanOrEqual(4);
  expect(tries).toBeLessThanOrEqual(7);
  await clock.advance(40_000);
  expect(asked.filter((host) => host === 'good.test')).toHaveLength(2);
});

test('what comes to the records is looked up, what leaves them is not any more', async () => {
  const { clock, names, hosts, asked } = keeper();
  hosts.push('a.test');
  names.refresh();
  await clock.advance(1000);
  hosts.splice(0, 1, 'b.test');
  names.refresh();
  await clock.advance(1000);
  expect(asked).toEqual(['a.test', 'b.test']);
  await clock.advance(100_000);
  expect(asked.filter((host) => host === 'a.test')).toHaveLength(1);
});

test('members change without a word: who is there is read again each minute', async () => {
  const { clock, names, hosts, asked } = keeper();
  hosts.push('member-1.test');
  names.refresh();
  await clock.advance(1000);
  hosts.push('member-2.test');
  await clock.advance(61_000);
  expect(asked).toContain('member-2.test');
});

test('no more than a hundred are looked up at once, and every one in its turn', async () => {
  const clock = new FakeClock();
  const waiting: (() => void)[] = [];
  const asked = new Set<string>();
  const names = new NodeNames({
    clock,
    hosts: () => Array.from({ length: 250 }, (_, index) => `n${index}.test`),
    resolve: (host) =>
      new Promise((resolve) => {
        asked.add(host);
        waiting.push(() => resolve(true));
      }),
  });
  names.refresh();
  await clock.advance(5000);
  expect(asked.size).toBe(100);
  for (const count of [200, 250]) {
    for (const end of waiting.splice(0)) end();
    await clock.advance(1000);
    expect(asked.size).toBe(count);
  }
});

test('nothing is asked and no timer is left once it is closed', async () => {
  const { clock, names, hosts, asked } = keeper();
  hosts.push('a.test');
  names.refresh();
  names.close();
  names.refresh();
  await clock.advance(10_000);
  expect(asked).toEqual([]);
  expect(clock.pendingCount).toBe(0);
});
