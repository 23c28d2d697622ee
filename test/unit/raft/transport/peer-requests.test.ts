// What others may post at a member, and what it answers: raw requests against a real server.

import { connect as connectSocket } from 'node:net';
import { Readable } from 'node:stream';

import * as fc from 'fast-check';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';

import { memberId, term } from '../../../../src/raft/core/types.ts';
import type { FrameHead } from '../../../../src/raft/transport/frame.ts';
import { fetchIdentity } from '../../../../src/raft/transport/identity-client.ts';
import { encodeMessages } from '../../../../src/raft/transport/message-codec.ts';
import { MESSAGES_BYTES_MAX } from '../../../../src/raft/transport/peer-requests.ts';
import {
  encodeSnapshotPost,
  SNAPSHOT_BODY_BYTES_MAX,
  type SnapshotPost,
} from '../../../../src/raft/transport/snapshot-codec.ts';
import { NameResolver } from '../../../../src/names/name-resolver.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { incarnationOf } from '../../../support/raft-core/builders.ts';
import { RawHttp } from '../../../support/raw-http.ts';
import { freePort, listen, origin, rawServer, until, type Listening } from './real-http.ts';
import { CLUSTER, FOREIGN, heartbeat, META, packr, sealed, sealer, TWO } from './wire.ts';

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function post(inbox: Listening, path: string, body: Buffer | Readable): Promise<Answer> {
  const response = await request(`${inbox.address}/raft/${path}`, { method: 'POST', body });
  return { status: response.statusCode, text: await response.body.text() };
}

const good = encodeMessages(sealer(), [heartbeat(1)]);

function beheaded(head: Partial<FrameHead>): Buffer {
  return sealed('messages', packr.pack([[9, 1, 1]]), head);
}

function changed(offset: number, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(good);
  copy.writeUInt8(change(copy.readUInt8(offset)) & 0xff, offset);
  return copy;
}

const SNAPSHOT_POST: SnapshotPost = {
  term: term(4),
  transfer: 1,
  meta: META,
  fileBytes: 100,
  batch: { offset: 0, crc: 0, chunks: [Buffer.from('abc')], last: true },
};

describe('a post of messages', () => {
  it('is answered without a word when it was taken', async () => {
    const inbox = await listen(TWO);
    expect(await post(inbox, 'messages', good)).toEqual({ status: 204, text: '' });
    expect(inbox.messages).toHaveLength(1);
    expect(Object.values(inbox.counters.refused).every((count) => count === 0)).toBe(true);
  });

  it('that is repeated is taken again: repetition is for the receiver of messages to stand', async () => {
    const inbox = await listen(TWO);
    for (let count = 0; count < 3; count += 1) await post(inbox, 'messages', good);
    expect(inbox.messages).toHaveLength(3);
  });

  it.each([
    ['notAFrame', 400, 'only other members', Buffer.from('hello, world')],
    ['version', 400, 'version 2.*same release.*version 1', changed(2, () => 1)],
    ['unknownFrame', 400, 'same release', changed(3, () => 99)],
    ['truncated', 400, 'shorter or longer', good.subarray(0, -1)],
    ['truncated', 400, 'shorter or longer', Buffer.of()],
    ['checksum', 400, 'damaged', changed(good.byteLength - 1, (byte) => byte ^ 1)],
    ['malformed', 400, 'cannot be read', sealed('messages', Buffer.from('no list'))],
    ['malformed', 400, 'cannot be read', sealed('snapshot', packr.pack([]))],
    ['foreignCluster', 421, 'raft.peers.*data directory', beheaded({ clusterId: FOREIGN })],
    ['wrongRecipient', 421, 'asked for member 3; here is member 2', beheaded({ to: memberId(3) })],
    ['tooLarge', 413, 'larger than', Buffer.alloc(MESSAGES_BYTES_MAX + 1)],
  ] as const)('is refused as %s with %i and what to do', async (reason, status, text, body) => {
    const inbox = await listen(TWO);
    const answer = await post(inbox, 'messages', body);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ error: { message: expect.stringMatching(text) } });
    expect(inbox.counters.refused[reason]).toBe(1);
    expect(inbox.messages).toEqual([]);
    expect(inbox.logged).toHaveLength(1);
    expect(await post(inbox, 'messages', good)).toMatchObject({ status: 204 });
  });

  it.each([
    ['otherIncarnation', 409, 'old directory back'],
    ['removed', 410, 'never used'],
  ] as const)('of a member that may not take part is refused as %s with %i', async (reason, status, text) => {
    const inbox = await listen(TWO);
    inbox.admission = reason;
    const answer = await post(inbox, 'messages', good);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(text);
    expect(answer.text).toContain('member 1 at 127.0.0.1:9379');
    expect(inbox.counters.refused[reason]).toBe(1);
    expect(inbox.messages).toEqual([]);
    expect(inbox.learned.size).toBe(0);
  });

  it('is refused in the name of this member of this cluster, so that its sender knows whom to believe', async () => {
    const inbox = await listen(TWO);
    inbox.admission = 'removed';
    for (const [path, body] of [
      ['messages', good],
      ['snapshot', encodeSnapshotPost(sealer(), SNAPSHOT_POST)],
    ] as const) {
      const response = await request(`${inbox.address}/raft/${path}`, { method: 'POST', body });
      await response.body.dump();
      expect(response.statusCode).toBe(410);
      expect(response.headers['kvrocks-controller-member']).toBe(`${CLUSTER}/2`);
    }
  });

  it('of a foreign cluster is refused before anybody asks who it is from', async () => {
    const inbox = await listen(TWO);
    inbox.admission = 'removed';
    expect(await post(inbox, 'messages', beheaded({ clusterId: FOREIGN }))).toMatchObject({ status: 421 });
  });

  it('with a hostile address is refused without echoing it', async () => {
    const inbox = await listen(TWO);
    const { text } = await post(
      inbox,
      'messages',
      beheaded({ clusterId: FOREIGN, address: '\n"<script>\u0000' }),
    );
    expect(text).toContain('member 1 at ???script??');
    expect(inbox.logged[0]).toContain('???script??');
  });

  it('without a length is refused', async () => {
    const inbox = await listen(TWO);
    expect(await post(inbox, 'messages', Readable.from([good]))).toMatchObject({ status: 411 });
    expect(inbox.counters.refused.lengthRequired).toBe(1);
  });

  it('that breaks off is counted, and nothing of it is taken', async () => {
    const inbox = await listen(TWO);
    const socket = connectSocket(Number(new URL(inbox.address).port), '127.0.0.1');
    socket.write(`POST /raft/messages HTTP/1.1\r\nhost: x\r\ncontent-length: ${good.byteLength}\r\n\r\n`);
    socket.write(good.subarray(0, 20), () => socket.destroy());
    await until(() => inbox.counters.refused.aborted === 1);
    expect(inbox.messages).toEqual([]);
  });

  it('KD3d: that stands still gives way when all of them together are too large', async () => {
    const inbox = await listen(TWO);
    const most = Buffer.alloc(MESSAGES_BYTES_MAX - 1);
    const stuck = (): RawHttp => {
      const head = `POST /raft/messages HTTP/1.1\r\nhost: x\r\ncontent-length: ${MESSAGES_BYTES_MAX}\r\n\r\n`;
      return new RawHttp(Number(new URL(inbox.address).port)).send(head).send(most);
    };
    const posts = Array.from({ length: 10 }, () => stuck());
    const refused = () => posts.filter(({ text }) => text.startsWith('HTTP/1.1 503 '));
    await until(() => refused().length >= 6);
    for (const given of refused()) {
      const [answer] = await given.answers();
      expect(answer?.headers.get('retry-after')).toBe('1');
      expect(answer?.body).toContain('on their way here');
    }
    expect(await post(inbox, 'messages', good)).toMatchObject({ status: 204 });
    for (const open of posts) open.leave();
    await until(() => inbox.counters.refused.aborted + inbox.counters.refused.crowded === posts.length);
    // All the room is free again: three fit in beside others.
    const { crowded } = inbox.counters.refused;
    const fitting = Array.from({ length: 3 }, () => stuck());
    expect(await post(inbox, 'messages', good)).toMatchObject({ status: 204 });
    for (const open of fitting) open.leave();
    await until(() => inbox.counters.refused.aborted + inbox.counters.refused.crowded === posts.length + 3);
    expect(inbox.counters.refused.crowded).toBe(crowded);
  });

  it('that is refused again and again costs one line in the log', async () => {
    const inbox = await listen(TWO);
    for (let count = 0; count < 5; count += 1) await post(inbox, 'messages', Buffer.from('hello, world'));
    expect(inbox.counters.refused.notAFrame).toBe(5);
    expect(inbox.logged).toHaveLength(1);
  });

  it('of any bytes at all is answered, and the member goes on', async () => {
    const inbox = await listen(TWO);
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      // But for the one body that is right: a list of no messages.
      fc
        .uint8Array({ maxLength: 300 })
        .filter((bytes) => bytes.length !== 1 || bytes[0] !== 0x90)
        .map((bytes) => sealed('messages', bytes)),
      fc
        .tuple(fc.nat(good.byteLength * 8 - 1), fc.nat(good.byteLength))
        .map(([bit, bytes]) => changed(bit >> 3, (byte) => byte ^ (1 << (bit & 7))).subarray(0, bytes)),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom('messages', 'snapshot'), async (bytes, path) => {
        const { status, text } = await post(inbox, path, bytes);
        // A flipped bit of the length may declare more than is allowed.
        expect([400, 413]).toContain(status);
        expect(JSON.parse(text)).toHaveProperty('error.message');
      }),
      { numRuns: 500 },
    );
    expect(inbox.messages).toEqual([]);
    expect(await post(inbox, 'messages', good)).toMatchObject({ status: 204 });
  });
});

describe('a post of a snapshot', () => {
  it('is answered with what is held now', async () => {
    const inbox = await listen(TWO);
    const answer = await post(inbox, 'snapshot', encodeSnapshotPost(sealer(), SNAPSHOT_POST));
    expect(answer).toEqual({ status: 200, text: '{"chunks":1,"done":true}' });
    expect(inbox.snapshots).toEqual([{ from: 1, term: 4, chunks: ['abc'] }]);
  });

  it('is checked like messages', async () => {
    const inbox = await listen(TWO);
    const foreign = encodeSnapshotPost(sealer({ clusterId: FOREIGN }), SNAPSHOT_POST);
    expect(await post(inbox, 'snapshot', foreign)).toMatchObject({ status: 421 });
    expect(await post(inbox, 'snapshot', good)).toMatchObject({ status: 400 });
    expect(await post(inbox, 'snapshot', Buffer.alloc(SNAPSHOT_BODY_BYTES_MAX + 300))).toMatchObject({
      status: 413,
    });
    inbox.admission = 'otherIncarnation';
    expect(await post(inbox, 'snapshot', encodeSnapshotPost(sealer(), SNAPSHOT_POST))).toMatchObject({
      status: 409,
    });
    expect(inbox.snapshots).toEqual([]);
  });

  it('of a deposed leader is refused as long as a newer one sends', async () => {
    const inbox = await listen(TWO);
    const part = { ...SNAPSHOT_POST.batch, last: false };
    const newer = encodeSnapshotPost(sealer(), { ...SNAPSHOT_POST, term: term(5), batch: part });
    expect(await post(inbox, 'snapshot', newer)).toMatchObject({ status: 200 });
    const late = encodeSnapshotPost(sealer(), { ...SNAPSHOT_POST, batch: part });
    expect(await post(inbox, 'snapshot', late)).toMatchObject({ status: 503 });
    expect(inbox.counters.refused.superseded).toBe(1);
  });
});

const ASKING = { clock: systemClock, lookup: new NameResolver({ clock: systemClock }).lookup };

describe('the identity of a member', () => {
  it('is told to who asks', async () => {
    const inbox = await listen(TWO);
    expect(await fetchIdentity(inbox.address, 5000, ASKING)).toEqual({
      ok: true,
      value: {
        clusterId: CLUSTER,
        memberId: 2,
        incarnation: incarnationOf(2),
        state: 'ready',
        featureLevel: 3,
        release: '1.2.3',
        wallMs: 1000,
        marks: [{ index: 64, hash: 'abc' }],
      },
    });
  });

  it('without a feature level is that of the first release, with neither a name of it nor time nor marks; what a later one adds is passed over', async () => {
    const told = { clusterId: CLUSTER, memberId: 2, incarnation: incarnationOf(2), state: 'ready' };
    const text = JSON.stringify({ ...told, format: 9, moods: ['calm'] });
    const server = await rawServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
    });
    expect(await fetchIdentity(server, 5000, ASKING)).toEqual({
      ok: true,
      value: { ...told, featureLevel: 1, release: null, wallMs: null, marks: [] },
    });
  });

  it('is not waited for by who has stopped asking', async () => {
    const server = await rawServer(() => undefined);
    const abandoned = AbortSignal.abort(new Error('no more'));
    expect(await fetchIdentity(server, 60_000, { ...ASKING, abandoned })).toEqual({
      ok: false,
      error: expect.stringContaining('cannot be asked: no more'),
    });
  });

  it.each([
    ['another program', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', 'no member'],
    ['another answer', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}', 'no member'],
    ['a status', 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n', 'answered 404'],
    ['a flood', `HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(100_000)}`, 'too long'],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n', 'cannot be asked'],
    ['silence', '', 'no answer in 100 ms'],
  ])('is not read from %s', async (_name, answer, reason) => {
    const server = await rawServer((socket) => void socket.write(answer));
    expect(await fetchIdentity(server, 100, ASKING)).toEqual({
      ok: false,
      error: expect.stringContaining(reason),
    });
  });

  it('cannot be had where nobody listens', async () => {
    const nobody = await fetchIdentity(origin(await freePort()), 5000, ASKING);
    expect(nobody).toEqual({ ok: false, error: expect.stringContaining('cannot be asked') });
  });
});

describe('other requests', () => {
  it('are left to others', async () => {
    const inbox = await listen(TWO);
    for (const [method, path] of [
      ['GET', '/raft/messages'],
      ['POST', '/raft/identity'],
      ['POST', '/raft/messages/'],
      ['GET', '/'],
    ] as const) {
      const response = await request(`${inbox.address}${path}`, { method });
      await response.body.dump();
      expect(response.statusCode).toBe(404);
    }
  });
});
