// A download holds one of two places, and gives it back however it ends.

import { connect, type Socket } from 'node:net';

import { afterEach, describe, expect, test } from 'vitest';

import { listen, type HttpServer } from '../../../src/api/listen.ts';
import type { Backup, Backups } from '../../../src/api/ports.ts';
import { backupRoutes } from '../../../src/api/routes/backup.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { ok } from '../../../src/base/result.ts';
import { foundingMembership } from '../../../src/raft/core/membership.ts';
import { logIndex, memberId, term } from '../../../src/raft/core/types.ts';
import type { StateCut } from '../../../src/raft/snapshotter.ts';
import { openBackups } from '../../../src/server/backups.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { waitFor } from '../../support/wait-until.ts';
import { FakeClock } from '../leader/fake-clock.ts';

const PIECE = new Uint8Array(64 * 1024);
const META = {
  index: logIndex(7),
  term: term(2),
  membership: foundingMembership(new Map([[memberId(1), '127.0.0.1:9379']])),
};

function scene(chunks: () => Iterable<Uint8Array>) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (event) => void lines.push(event) };
  const cuts: StateCut[] = [];
  const source = {
    cut(): StateCut {
      const cut = { meta: META, chunks: chunks() };
      cuts.push(cut);
      return cut;
    },
  };
  const registry = { linearize: () => Promise.resolve(ok(undefined)) };
  const whole = { count: 0 };
  const onDone = (): void => {
    whole.count += 1;
  };
  return { clock, lines, cuts, whole, backups: openBackups(registry, source, { clock, logger, onDone }) };
}

async function opened(backups: Backups): Promise<Backup> {
  const backup = await backups.open();
  if (!backup.ok) throw new Error(backup.error.kind);
  return backup.value;
}

/** How many downloads can begin now; they are given up again. */
async function placesLeft(backups: Backups): Promise<number> {
  const taken: Backup[] = [];
  for (;;) {
    const backup = await backups.open();
    if (!backup.ok) break;
    taken.push(backup.value);
  }
  for (const { content } of taken) await content.cancel();
  return taken.length;
}

function* endless(): Generator<Uint8Array, undefined> {
  for (;;) yield PIECE;
}

describe('a download', () => {
  test('that is read to its end gives its place back, and no timer is left', async () => {
    const { backups, clock, lines, whole } = scene(() => [PIECE, PIECE]);
    const { fileName, content } = await opened(backups);
    expect(fileName).toBe('kvrocks-controller-7.snapshot');
    expect(await placesLeft(backups)).toBe(1);
    expect((await new Response(content).arrayBuffer()).byteLength).toBeGreaterThan(2 * PIECE.length);
    expect([await placesLeft(backups), clock.pendingCount, lines, whole.count]).toEqual([2, 0, [], 1]);
  });

  test('that its client gives up gives its place back once', async () => {
    const { backups, clock, whole } = scene(endless);
    const [first] = [await opened(backups), await opened(backups)];
    expect(await placesLeft(backups)).toBe(0);
    const reader = first.content.getReader();
    await reader.read();
    await reader.cancel();
    await reader.cancel();
    expect(await placesLeft(backups)).toBe(1);
    await clock.advance(60_000);
    expect([await placesLeft(backups), clock.pendingCount, whole.count]).toEqual([2, 0, 0]);
  });

  test('whose state cannot be read fails, and gives its place back once', async () => {
    const { backups, clock, lines } = scene(function* () {
      yield PIECE;
      throw new Error('a chunk is gone');
    });
    const { content } = await opened(backups);
    await expect(new Response(content).arrayBuffer()).rejects.toThrow('a chunk is gone');
    expect([await placesLeft(backups), clock.pendingCount, lines]).toEqual([2, 0, ['backup.broken_off']]);
  });

  test('whose client stands still for a minute is broken off, and gives place and state back', async () => {
    let released = 0;
    const { backups, clock, lines } = scene(function* () {
      try {
        yield* endless();
      } finally {
        released += 1;
      }
    });
    const { content } = await opened(backups);
    const reader = content.getReader();
    // Header and first pieces; slow is not standing still.
    for (let count = 0; count < 4; count += 1) {
      await clock.advance(59_000);
      expect((await reader.read()).done).toBe(false);
    }
    expect(await placesLeft(backups)).toBe(1);
    released = 0;
    await clock.advance(60_000);
    await expect(reader.read()).rejects.toThrow('took nothing of the backup for 60 s');
    expect([released, lines]).toEqual([1, ['backup.broken_off']]);
    expect([await placesLeft(backups), clock.pendingCount]).toEqual([2, 0]);
  });

  test('takes no cut of the state while there is no place for it', async () => {
    const { backups, cuts } = scene(endless);
    for (let count = 0; count < 4; count += 1) await backups.open();
    expect(cuts).toHaveLength(2);
  });
});

describe('on a connection', () => {
  const servers: HttpServer[] = [];
  const sockets: Socket[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) await server.close(0);
  });

  /** A client that has asked for a backup, and the end of what it was sent once the connection is closed. */
  async function client(backups: Backups): Promise<{ socket: Socket; tail: Promise<string> }> {
    const server = await listen(
      { host: '127.0.0.1', port: 0 },
      { app: backupRoutes({ backups }), peers: () => false, clock: systemClock, logger: silentLogger },
    );
    if (!server.ok) throw new Error(server.error);
    servers.push(server.value);
    const socket = connect(server.value.port, '127.0.0.1');
    sockets.push(socket);
    let received = '';
    socket.on('data', (bytes: Buffer) => {
      received = (received + bytes.toString('latin1')).slice(-200);
    });
    socket.on('error', () => undefined);
    const tail = new Promise<string>((resolve) => {
      socket.on('close', () => resolve(received));
    });
    socket.write('GET /raft/snapshot HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    return { socket, tail };
  }

  test('a whole download ends as one', async () => {
    const { tail } = await client(scene(() => [PIECE, PIECE, PIECE, PIECE]).backups);
    expect(await tail).toMatch(/\r\n0\r\n\r\n$/);
  });

  test('a client that stops reading is cut off, and what it got does not look whole', async () => {
    let pulled = 0;
    const { backups, clock } = scene(function* () {
      for (const piece of endless()) {
        pulled += 1;
        yield piece;
      }
    });
    const { socket, tail } = await client(backups);
    socket.once('data', () => socket.pause());
    let before = 0;
    await waitFor('the client to stand still', () => {
      const isStill = pulled > 0 && pulled === before;
      before = pulled;
      return isStill;
    });
    await clock.advance(60_000);
    socket.resume();
    expect(await tail).not.toMatch(/\r\n0\r\n\r\n$|Error/);
    expect(await placesLeft(backups)).toBe(2);
  });

  test('a copy that cannot be made whole is an error of the connection', async () => {
    const { backups } = scene(function* () {
      for (let count = 0; count < 8; count += 1) yield PIECE;
      throw new Error('a chunk is gone');
    });
    const { tail } = await client(backups);
    expect(await tail).not.toMatch(/\r\n0\r\n\r\n$|Error/);
    expect(await placesLeft(backups)).toBe(2);
  });
});
