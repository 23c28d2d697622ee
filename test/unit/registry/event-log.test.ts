import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeEvent, encodeEvent } from '../../../src/registry/event-codec.ts';
import { UnreadableRecordError } from '../../../src/registry/unreadable-record.ts';
import { addShard } from '../../../src/topology/change-nodes.ts';
import {
  type ClusterEvent,
  CORRELATION_MAX,
  EVENT_DETAILS_MAX,
  EVENT_TEXT_MAX,
  type EventDraft,
  EVENTS,
  type EventKind,
  EVENTS_MAX,
  parseEventCursor,
  printEventCursor,
} from '../../../src/topology/event.ts';
import { Secret } from '../../../src/base/secret.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { corruptedArbitrary } from './corruption.ts';
import { address, cluster, name, scene, valueOf } from './support.ts';

const ns = name('ns');
const PLACE = { namespace: ns, cluster: name('c') };
const DONE = { ok: true, value: undefined };
const said = (text: string): EventDraft => ({ kind: 'clusterConfirmed', text });
const told = (...sentences: string[]) => ({ actor: 'api', drafts: sentences.map(said) }) as const;

const draftArbitrary: fc.Arbitrary<EventDraft> = fc.record({
  kind: fc.constantFrom(...(Object.keys(EVENTS) as EventKind[])),
  text: fc.string({ maxLength: EVENT_TEXT_MAX }),
  shardIndex: fc.option(fc.nat(), { nil: null }),
  node: fc.option(
    fc.stringMatching(/^[0-9a-f]{40}$/).map((id) => id as NodeId),
    { nil: null },
  ),
  correlation: fc.string({ maxLength: CORRELATION_MAX }),
  lost: fc.option(fc.nat(), { nil: null }),
  details: fc.option(
    fc.json({ depthSize: 'small' }).filter((text) => text.length < EVENT_DETAILS_MAX),
    { nil: null },
  ),
});
const CONTEXT = { actor: 'controller', atMs: 1_700_000_000_123, versions: { before: 3, after: 4 } } as const;

type World = ReturnType<typeof scene>;

async function world(): Promise<World> {
  const made = scene();
  await made.registry.createNamespace(ns);
  await made.registry.createCluster(ns, cluster('c', [7001, 7002]), undefined, told('made'));
  return made;
}

/** Changes nothing but what is told of it. */
function tell({ registry }: World, ...sentences: string[]): Promise<unknown> {
  const record = registry.getCluster(ns, name('c'))!;
  return registry.replaceCluster(record, record.cluster, { events: told(...sentences) });
}

function texts(
  { registry }: World,
  query: { limit?: number; cursor?: string; place?: typeof PLACE | null } = {},
) {
  const { limit = 1000, cursor, place = PLACE } = query;
  const found = registry.events.page({
    place,
    limit,
    cursor: cursor === undefined ? null : parseEventCursor(cursor),
    isWanted: () => true,
  });
  return { texts: found.events.map(({ text }) => text), next: found.next };
}

describe('event records', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(draftArbitrary, (draft) => {
        const event: ClusterEvent = decodeEvent({ key: 'k', value: encodeEvent(draft, CONTEXT) }, 'ns/c/1');
        const { versions, atMs, actor } = CONTEXT;
        expect(event).toEqual({
          ...draft,
          versions,
          atMs,
          actor,
          id: 'ns/c/1',
          severity: EVENTS[draft.kind],
        });
      }),
    );
  });

  it('are small, whatever is told', () => {
    const long = {
      ...said('x'.repeat(100_000)),
      details: `"${'y'.repeat(EVENT_DETAILS_MAX)}"`,
      correlation: 'z'.repeat(999),
    };
    const value = encodeEvent(long, CONTEXT);
    expect(value.length).toBeLessThan(EVENT_TEXT_MAX + CORRELATION_MAX + 100);
    expect(decodeEvent({ key: 'k', value }, '').details).toBeNull();
  });

  it('that are damaged in any way are refused or are of another event, and nothing else is ever thrown', () => {
    fc.assert(
      fc.property(
        draftArbitrary.chain((draft) => corruptedArbitrary(encodeEvent(draft, CONTEXT))),
        (value) => {
          try {
            decodeEvent({ key: 'k', value }, '');
          } catch (error) {
            expect(error).toBeInstanceOf(UnreadableRecordError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('events', () => {
  it('are written with the change they tell of, newest first, each with the versions', async () => {
    const made = await world();
    const record = made.registry.getCluster(ns, name('c'))!;
    const next = valueOf(
      addShard(record.cluster, {
        addresses: [address(7009)],
        password: Secret.none,
        random: createSeededRandom(3),
        nowSeconds: 1,
      }),
    );
    expect(await made.registry.replaceCluster(record, next, { events: told('one', 'two') })).toEqual(DONE);
    const { events } = made.registry.events.page({
      place: PLACE,
      cursor: null,
      limit: 9,
      isWanted: () => true,
    });
    expect(events.map(({ id, text, versions }) => [id, text, versions])).toEqual([
      ['ns/c/3', 'two', { before: 1, after: 2 }],
      ['ns/c/2', 'one', { before: 1, after: 2 }],
      ['ns/c/1', 'made', { before: 0, after: 1 }],
    ]);
    // A change that was refused leaves none.
    expect(await made.registry.replaceCluster(record, next, { events: told('three') })).toMatchObject({
      ok: false,
    });
    expect(texts(made).texts).toEqual(['two', 'one', 'made']);
  });

  it('make room for newer ones, and come in pages', async () => {
    const made = await world();
    for (let count = 0; count < EVENTS_MAX + 5; count += 1) await tell(made, String(count));
    const all = texts(made).texts;
    expect(all).toHaveLength(EVENTS_MAX);
    expect(all[0]).toBe(String(EVENTS_MAX + 4));
    const pages: string[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page = texts(made, { limit: 37, ...(cursor === undefined ? {} : { cursor }) });
      expect(page.texts.length).toBeLessThanOrEqual(37);
      pages.push(...page.texts);
      cursor = page.next;
    }
    expect(pages).toEqual(all);
  });

  it('of all clusters and of the group are in the order in which they were committed', async () => {
    const made = await world();
    await made.registry.createCluster(ns, cluster('d', [7005]), undefined, told('other'));
    await made.registry.tell({ kind: 'leaderElected', text: 'member 1 leads' }, 1);
    await tell(made, 'last');
    expect(texts(made, { place: null })).toEqual({
      texts: ['last', 'member 1 leads', 'other', 'made'],
      next: null,
    });
    const first = texts(made, { place: null, limit: 2 });
    expect(texts(made, { place: null, cursor: first.next! }).texts).toEqual(['other', 'made']);
    // A name that begins alike is another cluster.
    await made.registry.createCluster(ns, cluster('c-2', [7006]), undefined, told('not mine'));
    expect(texts(made).texts).toEqual(['last', 'made']);
  });

  it('go with their cluster, and its end is told in the log of the group', async () => {
    const made = await world();
    await made.registry.deleteCluster(made.registry.getCluster(ns, name('c'))!, told('gone'));
    expect(texts(made, { place: null }).texts).toEqual(['gone']);
    const { events } = made.registry.events.page({
      place: null,
      cursor: null,
      limit: 1,
      isWanted: () => true,
    });
    expect(events[0]).toMatchObject({ id: 'group/1', versions: null });
    await made.registry.createCluster(ns, cluster('c', [7001, 7002]), undefined, told('again'));
    expect(texts(made).texts).toEqual(['again']);
  });

  it('are not written before all members know them, and by no deposed leader', async () => {
    const made = await world();
    made.level.current = 3;
    expect(await tell(made, 'unheard')).toEqual(DONE);
    made.level.current = 4;
    expect(await made.registry.tell({ kind: 'leaderElected', text: '' }, 2)).toEqual({
      ok: false,
      error: { kind: 'notLeader' },
    });
    expect(texts(made, { place: null }).texts).toEqual(['made']);
  });

  it('of changes at the same time are all there', async () => {
    const made = await world();
    made.group.hold();
    const both = ['a', 'b', 'c'].map((text) => made.registry.tell({ kind: 'leaderElected', text }, 1));
    made.group.release();
    expect(await Promise.all(both)).toEqual([DONE, DONE, DONE]);
    expect(texts(made, { place: null }).texts.toSorted()).toEqual(['a', 'b', 'c', 'made']);
  });
});

it('a cursor is read as it was written, and any other text is none', () => {
  const cursor = { revision: 17, key: 'event/ns/c/000000000003' };
  expect(parseEventCursor(printEventCursor(cursor))).toEqual(cursor);
  for (const text of ['', '17', '17.', 'x.y', '17.a b', `1.${'x'.repeat(700)}`])
    expect(parseEventCursor(text)).toBeNull();
});
