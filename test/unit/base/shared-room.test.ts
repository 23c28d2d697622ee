// Memory that arrivals share: never more than there is, and nobody stands in the way for ever.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ByteCollector } from '../../../src/base/byte-collector.ts';
import { SharedRoom, type RoomPlace } from '../../../src/base/shared-room.ts';

describe('a shared room', () => {
  it('KD3d: never holds more than it has, whatever arrives, and everything comes back', () => {
    const step = fc.record({
      who: fc.nat(9),
      what: fc.constantFrom('grow', 'grow', 'grow', 'settle', 'leave'),
      bytes: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const room = new SharedRoom(100);
        const held = new Map<number, { readonly place: RoomPlace; bytes: number }>();
        const enter = (who: number) => {
          const arrival = { place: room.enter(() => void held.delete(who)), bytes: 0 };
          held.set(who, arrival);
          return arrival;
        };
        for (const { who, what, bytes } of steps) {
          const arrival = held.get(who) ?? enter(who);
          if (what === 'settle') arrival.place.settle();
          if (what === 'grow' && arrival.place.grow(bytes)) arrival.bytes += bytes;
          if (what === 'leave') {
            arrival.place.leave();
            arrival.place.leave();
            held.delete(who);
          }
          const sum = [...held.values()].reduce((total, other) => total + other.bytes, 0);
          expect(room.bytes).toBe(sum);
          expect(sum).toBeLessThanOrEqual(100);
        }
        for (const { place } of held.values()) place.leave();
        expect(room.bytes).toBe(0);
      }),
    );
  });

  it('is made by the arrival that began first, and not by those that are here', () => {
    const room = new SharedRoom(100);
    const gone: string[] = [];
    const enter = (name: string): RoomPlace => room.enter(() => void gone.push(name));
    const whole = enter('whole');
    expect(whole.grow(40)).toBe(true);
    whole.settle();
    const slow = enter('slow');
    expect(slow.grow(50)).toBe(true);
    const fresh = enter('fresh');
    expect(fresh.grow(30)).toBe(true);
    expect(gone).toEqual(['slow']);
    // Nobody is older than itself: it is the one to go, and says so at once.
    expect(fresh.grow(31)).toBe(false);
    expect(gone).toEqual(['slow']);
    whole.leave();
    expect(fresh.grow(31)).toBe(true);
  });
});

describe('a collector', () => {
  it('holds what came, in memory that follows it and not the announcement', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 20 });
    fc.assert(
      fc.property(pieces, fc.boolean(), (parts, isDeclared) => {
        const whole = Buffer.concat(parts);
        const room = new SharedRoom(1_000_000);
        const place = room.enter(() => undefined);
        const bytesDeclared = isDeclared ? whole.length : null;
        const collector = new ByteCollector(place, { bytesMax: 100_000, bytesDeclared });
        for (const part of parts) expect(collector.add(part)).toBe('added');
        expect(room.bytes).toBeLessThan(whole.length + 16_384);
        if (isDeclared) expect(room.bytes).toBeLessThanOrEqual(whole.length);
        expect(Buffer.from(collector.take()).equals(whole)).toBe(true);
      }),
    );
  });

  it('takes no more than its limit, and no more than there is room for', () => {
    const room = new SharedRoom(100_000);
    const collector = new ByteCollector(
      room.enter(() => undefined),
      { bytesMax: 200_000, bytesDeclared: null },
    );
    expect(collector.add(new Uint8Array(200_001))).toBe('tooLarge');
    expect(collector.add(new Uint8Array(50_000))).toBe('added');
    expect(collector.add(new Uint8Array(60_000))).toBe('noRoom');
    expect(collector.take()).toHaveLength(50_000);
  });
});
