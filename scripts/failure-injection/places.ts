// Places for members on the loopback interface.

import { freePort } from '../../test/support/free-port.ts';
import { MEMBER_COUNT, type Place } from './group.ts';

/** Three free ports of 127.0.0.1. */
export async function localPlaces(): Promise<readonly Place[]> {
  const places: Place[] = [];
  while (places.length < MEMBER_COUNT)
    places.push({ id: places.length + 1, address: `127.0.0.1:${await freePort()}` });
  return places;
}
