// Lists of names: whole as ever, in pages for whoever wants them, and never more of them made than is taken.

import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';

import { NameLists } from '../../../src/api/name-lists.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { parseName } from '../../../src/topology/name.ts';
import type { Name } from '../../../src/topology/types.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { testApi, type Answer, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';

function nameOf(index: number): Name {
  return valueOf(parseName(`n${String(index).padStart(6, '0')}`));
}

async function withNamespaces(count: number): Promise<TestApi> {
  const api = testApi();
  const created = Array.from({ length: count }, (_, index) => api.registry.createNamespace(nameOf(index)));
  for (const outcome of await Promise.all(created)) expect(outcome.ok).toBe(true);
  return api;
}

function dataOf({ body }: Answer): Readonly<Record<string, unknown>> {
  return (body as { data: Readonly<Record<string, unknown>> }).data;
}

describe('pages', () => {
  test('KD3b: together are the whole list, in order and each name once', async () => {
    const api = await withNamespaces(25);
    const seen: unknown[] = [];
    let query = '?limit=10';
    const sizes: number[] = [];
    while (sizes.length < 5) {
      const { namespaces, next_cursor } = dataOf(await api.call('GET', ROOT + query));
      const page = namespaces as readonly string[];
      seen.push(...page);
      sizes.push(page.length);
      if (next_cursor === null) break;
      expect(next_cursor).toBe(page.at(-1));
      query = `?limit=10&cursor=${page.at(-1) ?? ''}`;
    }
    expect(sizes).toEqual([10, 10, 5]);
    expect(seen).toEqual(dataOf(await api.call('GET', ROOT))['namespaces']);
  });

  test('end where the list does, also when a page is just full', async () => {
    const api = await withNamespaces(4);
    expect(dataOf(await api.call('GET', `${ROOT}?limit=4`))).toMatchObject({ next_cursor: null });
    expect(dataOf(await api.call('GET', `${ROOT}?limit=3`))).toMatchObject({ next_cursor: nameOf(2) });
    expect(dataOf(await api.call('GET', `${ROOT}?cursor=${nameOf(1)}`))).toEqual({
      namespaces: [nameOf(2), nameOf(3)],
      next_cursor: null,
    });
    // A cursor may be a name that is gone, or never was.
    expect(dataOf(await api.call('GET', `${ROOT}?cursor=n000001x&limit=1`))).toEqual({
      namespaces: [nameOf(2)],
      next_cursor: nameOf(2),
    });
    expect(dataOf(await api.call('GET', `${ROOT}?cursor=zzz`))).toEqual({
      namespaces: [],
      next_cursor: null,
    });
  });

  test('of clusters stay within their namespace', async () => {
    const api = testApi();
    for (const namespace of ['a', 'a-b', 'b']) {
      await api.call('POST', ROOT, { namespace });
      for (const index of [1, 2, 3]) {
        const address = `10.0.${namespace.length}.${index + 10 * namespace.charCodeAt(0) - 960}:6379`;
        api.fleet.add(address);
        const body = { name: `c${index}`, nodes: [address] };
        expect((await api.call('POST', `${ROOT}/${namespace}/clusters`, body)).status).toBe(201);
      }
    }
    expect(dataOf(await api.call('GET', `${ROOT}/a/clusters`))).toEqual({ clusters: ['c1', 'c2', 'c3'] });
    expect(dataOf(await api.call('GET', `${ROOT}/a/clusters?limit=2`))).toEqual({
      clusters: ['c1', 'c2'],
      next_cursor: 'c2',
    });
    expect(dataOf(await api.call('GET', `${ROOT}/a/clusters?limit=2&cursor=c2`))).toEqual({
      clusters: ['c3'],
      next_cursor: null,
    });
    expect(await api.call('GET', `${ROOT}/none/clusters?limit=2`)).toMatchObject({ status: 404 });
  });

  test.each([
    ['limit=0', 'limit: expected a whole number of 1 to 1000'],
    ['limit=1001', 'limit: expected a whole number of 1 to 1000'],
    ['limit=', 'limit: expected a whole number of 1 to 1000'],
    ['limit=1e2', 'limit: expected a whole number of 1 to 1000'],
    ['limit=-1', 'limit: expected a whole number of 1 to 1000'],
    ['cursor=', 'cursor: "" is not a name'],
    ['cursor=a/b', 'cursor: "a/b" is not a name'],
  ])('asked for with %s are refused', async (query, message) => {
    const api = testApi();
    const answer = await api.call('GET', `${ROOT}?${query}`);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toContain(JSON.stringify(message).slice(1, -1));
  });
});

describe('a long list', () => {
  test('without a limit is whole, and as it was when it was asked for', async () => {
    const api = await withNamespaces(2500);
    const response = await api.app.request(ROOT);
    expect(response.headers.get('content-type')).toBe('application/json');
    await api.registry.createNamespace(valueOf(parseName('later')));
    await api.registry.deleteNamespace(nameOf(2499));
    const expected = Array.from({ length: 2500 }, (_, index) => nameOf(index));
    expect(await response.json()).toEqual({ data: { namespaces: expected } });
  });

  test('KD3b: is made no faster than it is taken, and others have their turn between two slices', async () => {
    let made = 0;
    function* endless(): Generator<Name> {
      while (made < 100_000) {
        made += 1;
        yield nameOf(made % 1_000_000);
      }
    }
    const names = new NameLists(systemClock);
    const app = new Hono().get('/', (context) => names.answer(context, 'namespaces', endless));
    const { body } = await app.request('/');
    const reader = body?.getReader();
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      handle = setImmediate(turn);
    };
    let handle = setImmediate(turn);
    for (let count = 0; count < 20; count += 1) {
      const before = turns;
      expect((await reader?.read())?.done).toBe(false);
      expect(made).toBeLessThanOrEqual(1000 + 250 * (count + 2));
      if (count > 1) expect(turns).toBeGreaterThan(before);
    }
    clearImmediate(handle);
    await reader?.cancel();
    const taken = made;
    await new Promise(setImmediate);
    expect(made).toBe(taken);
  });
});
