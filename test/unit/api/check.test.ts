import { expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import { failure, testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CHECK = `${ROOT}/ns/clusters/c/check`;

async function scene(): Promise<TestApi> {
  const api = testApi();
  api.fleet.add('127.0.0.1:1');
  await api.call('POST', ROOT, { namespace: 'ns' });
  const body = { name: 'c', nodes: ['127.0.0.1:1'], replicas: 1 };
  expect((await api.call('POST', `${ROOT}/ns/clusters`, body)).status).toBe(201);
  return api;
}

test('KD12: a check answers what was compared and every finding with its place and remedy', async () => {
  const api = await scene();
  const record = api.registry.allClusters()[0]!;
  const { id, address } = record.cluster.shards[0]!.nodes[0]!;
  const asked: unknown[] = [];
  api.check = (place) => {
    asked.push(place);
    const said = {
      kind: 'wrongRole',
      severity: 'error',
      text: 'it is none',
      remedy: 'POST .../sync',
    } as const;
    return Promise.resolve(
      ok({
        isClean: false,
        version: record.cluster.version,
        checkedAtSeconds: 1_700_000_000,
        nodesAsked: 1,
        nodesAnswered: 1,
        findings: [{ ...said, shardIndex: 0, node: id, address }],
      }),
    );
  };
  expect(await api.call('GET', CHECK)).toMatchObject({
    status: 200,
    body: {
      data: {
        check: {
          is_clean: false,
          version: 1,
          checked_at: '2023-11-14T22:13:20Z',
          nodes_asked: 1,
          nodes_answered: 1,
          findings: [
            {
              kind: 'wrongRole',
              severity: 'error',
              shard: 0,
              node: id,
              address,
              text: 'it is none',
              remedy: 'POST .../sync',
            },
          ],
        },
      },
    },
  });
  expect(asked).toMatchObject([{ namespace: 'ns', cluster: 'c' }]);
});

test('KD12: a check of a cluster that is not there is 404, and without a lead 503', async () => {
  const api = await scene();
  expect((await api.call('GET', `${ROOT}/ns/clusters/none/check`)).status).toBe(404);
  expect(await api.call('GET', CHECK)).toMatchObject({
    status: 503,
    body: failure(expect.stringContaining('lost the lead')),
  });
  api.check = () => Promise.resolve(err({ kind: 'missing' }));
  expect((await api.call('GET', CHECK)).status).toBe(404);
  expect((await api.call('POST', CHECK, {})).status).toBe(405);
});
