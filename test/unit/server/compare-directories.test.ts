// Data directories side by side: the one that knows most is named, and all of them stay as they are.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { createSeededRandom } from '../../../src/base/random.ts';
import { type ClusterId, clusterId } from '../../../src/raft/cluster-id.ts';
import { logIndex, memberId, term } from '../../../src/raft/core/types.ts';
import { nodeFileSystem } from '../../../src/raft/wal/node-file-system.ts';
import { openWal } from '../../../src/raft/wal/open.ts';
import { compareDirectories } from '../../../src/server/rescue/compare.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { INITIAL_BASE, SEGMENT_BYTES } from '../../support/log-script.ts';
import { groupEntries } from '../raft/snapshot/follower.ts';

const GROUP = clusterId('0123456789abcdef0123456789abcdef');
const OTHER = clusterId('00000000000000000000000000000000');
let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'compare-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** The data directory of member `id`, whose log has `count` entries and then, where it is given, one of `lastTerm`. */
async function directoryOf(
  id: number,
  count: number,
  { lastTerm, group = GROUP }: { readonly lastTerm?: number; readonly group?: ClusterId } = {},
): Promise<string> {
  const directory = join(root, `${group.slice(0, 2)}-${id}`);
  const { log } = await openWal({
    fileSystem: nodeFileSystem,
    directory,
    memberId: memberId(id),
    clusterId: group,
    initialBase: INITIAL_BASE,
    clock: systemClock,
    random: createSeededRandom(id),
    segmentBytes: SEGMENT_BYTES,
    lowWaterBytes: 0,
  });
  const index = logIndex(count + 1);
  const last = { index, term: term(lastTerm ?? 0), kind: 'noop', data: new Uint8Array() } as const;
  const append = [...groupEntries(1, count), ...(lastTerm === undefined ? [] : [last])];
  const hardState = { term: term(9), votedFor: null };
  await new Promise<void>((resolve, reject) => {
    log.write({ hardState, truncateFrom: null, append }, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  await new Promise((resolve) => {
    log.close(resolve);
  });
  return directory;
}

function contents(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).map((found) =>
    found.isFile()
      ? `${found.name} ${readFileSync(join(found.parentPath, found.name), 'base64')}`
      : found.name,
  );
}

test('the highest is the one with the later term, then with the longer log, and nothing in a file changes', async () => {
  const long = await directoryOf(1, 20);
  const later = await directoryOf(2, 10, { lastTerm: 5 });
  const longer = await directoryOf(3, 30);
  const before = contents(join(long, 'wal'));
  expect((await compareDirectories([long, longer])).highest).toBe(longer);
  const { highest, directories } = await compareDirectories([long, later, longer]);
  expect(highest).toBe(later);
  expect(directories).toMatchObject([
    { member: 1, group: GROUP, term: 9, last: { index: 20, term: 2 }, committed: 0, snapshot: null },
    { member: 2, last: { index: 11, term: 5 } },
    { member: 3, last: { index: 30, term: 2 } },
  ]);
  expect(contents(join(long, 'wal'))).toEqual(before);
});

test('directories of two groups have no highest, and one that cannot be read is told why', async () => {
  const one = await directoryOf(1, 20);
  const foreign = await directoryOf(1, 30, { group: OTHER });
  expect((await compareDirectories([one, foreign])).highest).toBeNull();
  rmSync(join(foreign, 'identity.json'));
  const { highest, directories } = await compareDirectories([foreign, one, join(root, 'none')]);
  expect(highest).toBe(one);
  expect(directories).toMatchObject([
    { directory: foreign, problem: expect.stringContaining('no member has ever run') },
    { directory: one, member: 1 },
    { problem: 'there is no such directory' },
  ]);
});
