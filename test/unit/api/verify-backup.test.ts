// A backup in the body of a request.

import { beforeAll, expect, test } from 'vitest';

import { backupOf, fullMachine } from '../backup/support.ts';
import { testApi } from './support.ts';

const PATH = '/api/v1/controller/verify-backup';
let backup: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  backup = Uint8Array.from(backupOf(await fullMachine()));
});

async function posted(body: Uint8Array<ArrayBuffer> | null, api = testApi()): Promise<readonly unknown[]> {
  const headers = { 'content-length': String(body?.length ?? 0) };
  const response = await api.app.request(PATH, { method: 'POST', body, headers });
  return [response.status, await response.json()];
}

test('is answered by any member, also where nobody leads, and changes nothing', async () => {
  const api = testApi();
  api.status = { ...api.status, leader: null };
  expect(await posted(backup, api)).toEqual([
    200,
    { data: { backup: expect.objectContaining({ clusters: 2, nodes: 3 }), finding_count: 0, findings: [] } },
  ]);
  expect(api.group.proposals).toBe(0);
});

test('that is damaged, foreign or empty is answered 400 with the place', async () => {
  expect(await posted(backup.slice(0, 100))).toEqual([
    400,
    {
      error: { message: expect.stringMatching(/^the backup is not to be used: it is damaged at byte \d+: /) },
    },
  ]);
  expect(await posted(new TextEncoder().encode('{"namespace": "shop"}'))).toEqual([
    400,
    { error: { message: expect.stringContaining('at byte 16: not a snapshot file') } },
  ]);
  expect(await posted(null)).toEqual([400, { error: { message: 'the body is empty, expected a backup' } }]);
});
