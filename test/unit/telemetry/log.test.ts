// Lines of the log, as a process writes them.

import { execFileSync } from 'node:child_process';

import { expect, test } from 'vitest';

const LOG = new URL('../../../src/telemetry/log.ts', import.meta.url).href;

test('another level counts for every logger that was made before, and after', () => {
  const script = `
    const { createLogger } = await import(${JSON.stringify(LOG)});
    const root = createLogger('info', { member: 1 });
    const child = root.child({ term: 2 });
    child.debug('too.quiet');
    root.setLevel('debug');
    child.debug('heard', { count: 3 });
    root.child({}).debug('heard.too');
    root.setLevel('error');
    child.warn('silenced');
    root.error('still.heard');`;
  const lines = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const written = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: string; event: string; member: number; term?: number });
  expect(written.map(({ level, event, member, term }) => [level, event, member, term])).toEqual([
    ['debug', 'heard', 1, 2],
    ['debug', 'heard.too', 1, undefined],
    ['error', 'still.heard', 1, undefined],
  ]);
});
