// One server, whose answers change while a member starts, serves and leaves.

import { Hono } from 'hono';
import { expect, test } from 'vitest';

import { Front } from '../../../src/server/front.ts';

function answering(word: string) {
  return { app: new Hono().all('*', (context) => context.text(word)), peers: () => word === 'ready' };
}

async function ask(front: Front): Promise<Response> {
  return front.app.fetch(new Request('http://member/anything'));
}

test('answers come from whoever serves at the moment', async () => {
  const front = new Front(answering('starting'));
  expect(await (await ask(front)).text()).toBe('starting');
  front.serve(answering('ready'));
  expect(await (await ask(front)).text()).toBe('ready');
});

test('a member that leaves asks its clients to close their connections, and still answers', async () => {
  const front = new Front(answering('ready'));
  expect((await ask(front)).headers.get('Connection')).toBeNull();
  front.leave();
  const answer = await ask(front);
  expect([await answer.text(), answer.headers.get('Connection')]).toEqual(['ready', 'close']);
});
