// Events told by HTTP: to a receiver that hangs, fails and comes back, while the lead changes.

import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, expect, test } from 'vitest';

import { masterOf } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const WEBHOOKS = '/api/v1/webhooks';
const trio = useTrio();
const scene = useScenes(trio);
const servers: Server[] = [];

afterEach(async () => {
  await trio().api.put(WEBHOOKS, { webhooks: [] });
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Receiver {
  readonly url: string;
  /** What was posted and well signed, in order. */
  readonly events: { readonly id: string; readonly kind: string; readonly text: string }[];
  readonly badlySigned: string[];
  requests: number;
  /** 0: no answer at all. */
  status: number;
}

async function receiver(secret: string): Promise<Receiver> {
  const made: Receiver = { url: '', events: [], badlySigned: [], requests: 0, status: 200 };
  const server = createServer((request, response) => {
    made.requests += 1;
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const { 'x-kvrocks-controller-timestamp': time, 'x-kvrocks-controller-signature': given } =
        request.headers;
      const mac = createHmac('sha256', secret)
        .update(`${String(time)}.${body}`)
        .digest('hex');
      if (given !== `v1=${mac}`) made.badlySigned.push(body);
      if (made.status === 0) return;
      if (made.status === 200)
        made.events.push(...(JSON.parse(body) as { events: Receiver['events'] }).events);
      response.writeHead(made.status).end('thanks');
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(made, {
    url: `http://user:hush@127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
  });
}

test('everything from then on is told, in order and signed, also over failures and changes of the lead', async () => {
  const stage = scene();
  const hook = await receiver('key');
  const view = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
  const wanted = { name: 'pager', url: hook.url, secret: 'key', severity: 'info' };
  const set = await stage.api.put(WEBHOOKS, { webhooks: [wanted] });
  expect(set.status).toBe(200);
  // No secret ever comes back.
  expect(set.text).not.toMatch(/hush|key/);
  expect(set.body.data.webhooks).toMatchObject([{ name: 'pager', signed: true, severity: 'info' }]);

  hook.status = 500;
  const shard = view.shards[0];
  const master = shard === undefined ? '' : masterOf(shard).addr;
  await stage.untilWritable(master, 'before', '1');
  await stage.api.put(stage.path('c', '/automation'), { failover: 'paused', reason: 'first' });
  await waitUntil('it to be asked in vain', () =>
    Promise.resolve(hook.requests > 1 ? true : notYet(hook.requests)),
  );
  const leader = await trio().leader();
  await leader.kill();
  await trio().leader();
  hook.status = 0;
  await stage.api.put(stage.path('c', '/automation'), { failover: 'on' });
  leader.start();
  await trio().ready();
  const pending = (await stage.api.get(WEBHOOKS)).body.data.webhooks[0].pending;
  expect(pending).toBeGreaterThanOrEqual(2);
  hook.status = 200;
  await stage.nodeAt(master).kill();
  await waitUntil('the failover to be told', () =>
    Promise.resolve(hook.events.some(({ kind }) => kind === 'failover') ? true : notYet(hook.events)),
  );
  const told = hook.events.map(({ kind }) => kind).filter((kind) => kind !== 'promotionConfirmed');
  expect([...new Set(told)]).toEqual(['webhooksChanged', 'automationChanged', 'leaderElected', 'failover']);
  expect(hook.badlySigned).toEqual([]);
  // At least once: the log of events has the same, in the same order.
  const { events } = (await stage.api.get('/api/v1/events?limit=1000')).body.data;
  const first = events.findIndex(({ kind }: { kind: string }) => kind === 'webhooksChanged');
  const kept = events.slice(0, first + 1).map(({ id }: { id: string }) => id);
  await waitUntil('all to be told', async () => {
    const ids = [...new Set(hook.events.map(({ id }) => id))];
    return kept.toReversed().every((id: string, index: number) => ids[index] === id)
      ? true
      : notYet([ids, kept]);
  });
  for (const member of trio().members) expect(member.logText()).not.toMatch(/hush|"key"/);
});
