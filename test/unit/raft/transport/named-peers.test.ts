// Members named by host: every way to a peer goes through our own resolver.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { NameResolver } from '../../../../src/names/name-resolver.ts';
import { term } from '../../../../src/raft/core/types.ts';
import { fetchIdentity } from '../../../../src/raft/transport/identity-client.ts';
import { parsePeerAddress, type PeerOrigin } from '../../../../src/raft/transport/peer-address.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { holdThreadPool } from '../../../support/busy-thread-pool.ts';
import { type ScriptedDns, startScriptedDns } from '../../../support/scripted-dns.ts';
import { chunksOf, connect, listen, until } from './real-http.ts';
import { heartbeat, META, TWO } from './wire.ts';

let dns: ScriptedDns;
let names: NameResolver;

beforeEach(async () => {
  dns = await startScriptedDns({ 'peer.example': { addresses: ['127.0.0.1'], ttlSeconds: 30 } });
  names = new NameResolver({ clock: systemClock, resolvConfPath: '/dev/null', servers: [dns.server] });
});

afterEach(async () => {
  names.close();
  await dns.close();
});

function named(host: string, { port }: URL): PeerOrigin {
  const parsed = parsePeerAddress(`${host}:${port}`);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

describe('a peer named by host', () => {
  it('gets messages and snapshots', async () => {
    const inbox = await listen(TWO);
    const peer = named('peer.example', new URL(inbox.address));
    const { transport } = connect(peer, { lookup: names.lookup, chunks: chunksOf('abc', 'def') });
    transport.send([heartbeat(1)]);
    await until(() => inbox.messages.length === 1);
    const file = { meta: META, bytes: 6, path: 'file' };
    const delivered = await new Promise((resolve) => {
      transport.sendSnapshot(TWO, term(4), file, resolve);
    });
    expect(delivered).toBe(true);
    expect(inbox.snapshots).toEqual([{ from: 1, term: 4, chunks: ['abc', 'def'] }]);
  });

  it('KD1: is reached while every thread of the pool is held', async () => {
    const inbox = await listen(TWO);
    const { transport } = connect(named('peer.example', new URL(inbox.address)), { lookup: names.lookup });
    const pool = holdThreadPool();
    try {
      transport.send([heartbeat(1)]);
      await until(() => inbox.messages.length === 1);
    } finally {
      await pool.release();
    }
  });

  it('KD1: is reached again after its name servers are gone', async () => {
    const inbox = await listen(TWO);
    const peer = named('peer.example', new URL(inbox.address));
    const asking = { clock: systemClock, lookup: names.lookup };
    expect(await fetchIdentity(peer, 5000, asking)).toMatchObject({ ok: true, value: { memberId: 2 } });
    await dns.close();
    expect(await fetchIdentity(peer, 5000, asking)).toMatchObject({ ok: true, value: { memberId: 2 } });
    dns = await startScriptedDns();
  });

  it('whose name cannot be resolved is a peer that cannot be asked, with the reason', async () => {
    const inbox = await listen(TWO);
    const peer = named('other.example', new URL(inbox.address));
    const told = await fetchIdentity(peer, 5000, { clock: systemClock, lookup: names.lookup });
    expect(told).toEqual({
      ok: false,
      error: expect.stringContaining('no address is known for other.example'),
    });
  });
});
