// Who loses a place when there are more than enough.

import { describe, expect, test } from 'vitest';

import { StreamPlaces } from '../../../../src/raft/transport/stream-places.ts';

interface Holder {
  readonly source: string;
  readonly name: string;
}

function holder(text: string): Holder {
  return { source: text[0] ?? '', name: text };
}

/** Takes a place for each of `names`, whose first letter is the source; who lost one, in order. */
function losers(max: number, names: readonly string[]): readonly string[] {
  const known = new Map<string, Holder>();
  const places = new StreamPlaces<Holder>(max);
  return names.flatMap((text) => {
    const own = known.get(text) ?? holder(text);
    known.set(text, own);
    return places.take(own)?.name ?? [];
  });
}

describe('places', () => {
  test.each<[string, number, readonly string[], readonly string[]]>([
    ['suffice for as many as there are', 3, ['a1', 'b1', 'c1'], []],
    ['are lost by the one that was silent longest', 2, ['a1', 'a2', 'a3', 'a4'], ['a1', 'a2']],
    ['are kept by who speaks', 2, ['a1', 'a2', 'a1', 'a3'], ['a2']],
    ['are taken by nobody twice', 2, ['a1', 'a2', 'a2', 'a2'], []],
    [
      'are lost by the source that has most, however old those of others are',
      3,
      ['b1', 'a1', 'a2', 'a3', 'a4'],
      ['a1', 'a2'],
    ],
    ['go to a newcomer from elsewhere at the cost of the crowd', 3, ['a1', 'a2', 'a3', 'b1'], ['a1']],
    ['are lost among equals by the one that was silent longest', 2, ['a1', 'b1', 'a1', 'c1'], ['b1']],
  ])('%s', (_what, max, names, lost) => {
    expect(losers(max, names)).toEqual(lost);
  });

  test('that were left are free', () => {
    const places = new StreamPlaces<Holder>(1);
    const first = holder('a1');
    places.take(first);
    places.leave(first);
    expect([places.take(holder('a2')), places.size]).toEqual([null, 1]);
  });
});
