import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { replay } from './script.ts';

const folder = import.meta.dirname;
const update = process.env['RAFT_SCRIPTS_UPDATE'] === '1';
const scripts = readdirSync(folder).filter((name) => name.endsWith('.txt'));

describe('transcripts of the Raft core', () => {
  test('there are some', () => {
    expect(scripts.length).toBeGreaterThan(5);
  });

  test.each(scripts)('%s reads as recorded', (name) => {
    const path = join(folder, name);
    const recorded = readFileSync(path, 'utf8');
    const replayed = replay(recorded);
    if (update) writeFileSync(path, replayed);
    else expect(replayed).toBe(recorded);
    expect(replayed, 'every command could be done').not.toMatch(/^!/mu);
  });
});
