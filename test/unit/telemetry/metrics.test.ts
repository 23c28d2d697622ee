// Metrics stay small whatever clients send.

import { expect, test } from 'vitest';

import { Metrics } from '../../../src/telemetry/metrics.ts';

function seriesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.startsWith('kvrocks_controller_http_code{'));
}

test('KD3e: methods that no route takes are counted as one', async () => {
  const metrics = new Metrics('127.0.0.1:9379');
  const odd = ['PROPFIND', 'MKCALENDAR', 'M-SEARCH', 'TRACE', 'get', '__proto__', 'x'.repeat(1000)];
  for (const method of ['GET', 'POST', ...odd])
    metrics.observeRequest({ method, uri: '/healthz', code: 405 }, 1, 10);
  const { text } = await metrics.render();
  expect(seriesOf(text)).toEqual([
    'kvrocks_controller_http_code{host="127.0.0.1:9379",uri="/healthz",method="GET",code="405"} 1',
    'kvrocks_controller_http_code{host="127.0.0.1:9379",uri="/healthz",method="POST",code="405"} 1',
    `kvrocks_controller_http_code{host="127.0.0.1:9379",uri="/healthz",method="other",code="405"} ${odd.length}`,
  ]);
});
