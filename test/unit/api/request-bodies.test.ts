// Bodies in memory: what is being answered counts too, and large ones never take the place of small ones.

import { PassThrough } from 'node:stream';

import { expect, it } from 'vitest';

import { RequestBodies, type HeldBody } from '../../../src/api/request-bodies.ts';

const MIB = 1024 * 1024;

function whole(bytes: number): PassThrough {
  const source = new PassThrough();
  source.end(Buffer.alloc(bytes, 'x'));
  return source;
}

it('KD3d: bodies whose requests are still being answered keep their room, and give it back', async () => {
  const bodies = new RequestBodies();
  const held: HeldBody[] = [];
  for (let count = 0; count < 64; count += 1) held.push(await bodies.read(whole(MIB), MIB));
  await expect(bodies.read(whole(MIB), MIB)).rejects.toMatchObject({ code: 'overloaded' });
  await expect(bodies.read(whole(10), null)).rejects.toMatchObject({ code: 'overloaded' });
  // Nearly every request is a small one, and those have a room of their own.
  expect((await bodies.read(whole(16_384), 16_384)).text).toHaveLength(16_384);
  held[0]?.release();
  held[0]?.release();
  expect((await bodies.read(whole(MIB), MIB)).text).toHaveLength(MIB);
  await expect(bodies.read(whole(MIB), MIB)).rejects.toMatchObject({ code: 'overloaded' });
});

it('KD3d: small ones that stand still by the thousand keep nobody out', async () => {
  const bodies = new RequestBodies();
  let given = 0;
  for (let count = 0; count < 1100; count += 1) {
    const source = new PassThrough();
    source.write(Buffer.alloc(16_383));
    bodies.read(source, 16_384).catch(() => {
      given += 1;
    });
  }
  await expect.poll(() => given).toBeGreaterThan(0);
  expect((await bodies.read(whole(100), 100)).text).toHaveLength(100);
  expect((await bodies.read(whole(MIB), MIB)).text).toHaveLength(MIB);
});

it('KD3e: a source that ended early is a client that left, also when it had left before', async () => {
  const bodies = new RequestBodies();
  const source = new PassThrough();
  const reading = bodies.read(source, 100);
  source.write('abc', () => source.destroy());
  await expect(reading).rejects.toMatchObject({ name: 'ClientLeftError' });
  await expect(bodies.read(source, 100)).rejects.toMatchObject({ name: 'ClientLeftError' });
});
