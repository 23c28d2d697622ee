// Who is told of events, as people say it.

import { expect, test } from 'vitest';

import { failure, testApi } from './support.ts';

const PATH = '/api/v1/webhooks';
const PAGER = {
  name: 'pager',
  url: 'https://user:hush@pager.example/hook',
  secret: 'key',
  severity: 'error',
};
const SHOWN = { name: 'pager', url: 'https://pager.example/hook', signed: true, severity: 'error' };

test('webhooks are recorded as a whole, a secret is kept until another is said, and none comes back', async () => {
  const api = testApi();
  expect(await api.call('GET', PATH)).toMatchObject({ status: 200, body: { data: { webhooks: [] } } });
  const set = await api.call('PUT', PATH, { webhooks: [PAGER, { name: 'log', url: 'http://127.0.0.1:1' }] });
  const log = { name: 'log', url: 'http://127.0.0.1:1/', signed: false, severity: 'warning' };
  expect(set).toMatchObject({ status: 200, body: { data: { webhooks: [SHOWN, log] } } });
  expect(JSON.stringify(set.body)).not.toMatch(/hush|key/);
  const { secret: _, ...unsaid } = PAGER;
  expect(await api.call('PUT', PATH, { webhooks: [unsaid] })).toMatchObject({
    status: 200,
    // What is told of this very change waits for who wants to hear of all, and not for who wants errors only.
    body: { data: { webhooks: [{ ...SHOWN, pending: 0 }] } },
  });
  const everything = { ...unsaid, severity: 'info' };
  expect(await api.call('PUT', PATH, { webhooks: [everything] })).toMatchObject({
    body: { data: { webhooks: [{ severity: 'info', pending: 3 }] } },
  });
  expect(api.registry.policies.ofGroup().webhooks[0]?.secret.reveal()).toBe('key');
  const cleared = await api.call('PUT', PATH, { webhooks: [{ ...PAGER, secret: '' }] });
  expect(cleared).toMatchObject({ body: { data: { webhooks: [{ ...SHOWN, signed: false }] } } });
  expect(await api.call('PUT', PATH, { webhooks: [] })).toMatchObject({ body: { data: { webhooks: [] } } });
  expect(api.registry.webhookCursors.get('pager')).toBeNull();
});

test('what is no webhook is refused, and nothing of the request is kept', async () => {
  const api = testApi();
  const many = Array.from({ length: 9 }, (_, index) => ({ name: `n${index}`, url: 'http://x/' }));
  for (const [webhooks, why] of [
    [many, 'webhooks: expected at most 8'],
    [{}, 'webhooks: expected a list of webhooks'],
    [[{ ...PAGER, name: 'a b' }], expect.stringMatching(/^webhooks.0.name: expected up to 63/)],
    [[{ ...PAGER, url: 'pager.example' }], 'webhooks.0.url: expected an http: or https: URL'],
    [[{ ...PAGER, url: 'file:///etc/passwd' }], 'webhooks.0.url: expected an http: or https: URL'],
    [[{ ...PAGER, severity: 'loud' }], 'webhooks.0.severity: expected "info", "warning" or "error"'],
    [[{ ...PAGER, headers: {} }], expect.stringContaining('webhooks.0: ')],
    [[PAGER, PAGER], 'webhooks.1.name: "pager" is there twice'],
  ] as const)
    expect(await api.call('PUT', PATH, { webhooks })).toMatchObject({ status: 400, body: failure(why) });
  expect(await api.call('GET', PATH)).toMatchObject({ body: { data: { webhooks: [] } } });
  api.featureLevel = 3;
  expect((await api.call('PUT', PATH, { webhooks: [] })).status).toBe(409);
});
