// A configuration that is read again while it counts.

import { describe, expect, test } from 'vitest';

import { err, type Result } from '../../../src/base/result.ts';
import { loadConfig, type Loaded } from '../../../src/config/load.ts';
import type { ConfigProblem } from '../../../src/config/place.ts';
import { LiveConfig } from '../../../src/server/live-config.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { FakeClock } from '../leader/fake-clock.ts';

function read(text: string): Result<Loaded, readonly ConfigProblem[]> {
  return loadConfig({ file: { name: 'c.yaml', text }, environment: {}, flags: [] });
}

function scene(text = 'log: {level: info}') {
  const clock = new FakeClock();
  const events: string[] = [];
  const levels: string[] = [];
  const file = { text, reads: 0 };
  const first = read(text);
  if (!first.ok) throw new Error('not valid');
  const note = (event: string): void => void events.push(event);
  const live = new LiveConfig(first.value, {
    clock,
    read: () => {
      file.reads += 1;
      return Promise.resolve(read(file.text));
    },
    logger: { ...silentLogger, info: note, warn: note, error: note, setLevel: (level) => levels.push(level) },
  });
  const changes: number[] = [];
  live.onChange(({ failover }) => changes.push(failover.lagMax));
  return { live, clock, file, events, levels, changes };
}

describe('a reload', () => {
  test('tells whoever depends on it, and the log', async () => {
    const { live, file, events, levels, changes } = scene();
    file.text = 'log: {level: warn}\ncontroller: {failover: {max_lag: 7}}';
    expect(await live.reload('SIGHUP')).toMatchObject({ ok: true });
    expect([events, levels, changes]).toEqual([['config.reloaded'], ['warn'], [7]]);
  });

  test('changes nothing where anything is wrong, and says so until it is mended', async () => {
    const { live, clock, file, events, changes } = scene();
    const before = live.config;
    const { readAtSeconds } = live.sample;
    await clock.advance(5000);
    file.text = 'log: {level: warn}\nraft: {idd: 1}';
    const refused = await live.reload('api');
    expect(refused.ok ? [] : refused.error).toEqual([
      {
        text: 'c.yaml:2:8: unknown key "raft.idd"; did you mean "raft.id"?',
        file: 'c.yaml',
        line: 2,
        column: 8,
        path: null,
        message: 'unknown key "raft.idd"; did you mean "raft.id"?',
      },
    ]);
    expect(live.config).toBe(before);
    expect(live.sample).toEqual({ isLastGood: false, readAtSeconds });
    expect(live.view().reload.problems).toHaveLength(1);
    file.text = 'raft: {data_dir: /b}';
    await live.reload('api');
    expect(live.sample).toEqual({ isLastGood: true, readAtSeconds: readAtSeconds + 5 });
    expect(live.view().needsRestart.map(({ path }) => path)).toEqual(['raft.data_dir']);
    expect([events, changes]).toEqual([['config.reload_failed', 'config.reloaded'], [10_000]]);
  });

  test('that is asked for while one is under way reads the file once more, for all who ask', async () => {
    const { live, file } = scene();
    const first = live.reload('api');
    await Promise.resolve();
    const others = [live.reload('api'), live.reload('SIGHUP')];
    await Promise.all([first, ...others]);
    expect(file.reads).toBe(2);
  });

  test('whose file cannot be read is refused like any other', async () => {
    const loaded = read('');
    if (!loaded.ok) throw new Error('not valid');
    const problem: ConfigProblem = {
      place: { kind: 'file', file: 'c.yaml' },
      path: null,
      message: 'is away',
    };
    const live = new LiveConfig(loaded.value, {
      clock: new FakeClock(),
      read: () => Promise.resolve(err([problem])),
      logger: { ...silentLogger, setLevel: () => undefined },
    });
    expect(await live.reload('api')).toMatchObject({
      error: [{ text: 'c.yaml: is away', file: 'c.yaml', line: null, column: null }],
    });
  });
});

describe('another log level', () => {
  test('lasts for its time, and the configured one comes back', async () => {
    const { live, clock, levels, events } = scene();
    expect(live.setLogLevel('debug', 60)).toMatchObject({ level: 'debug', configured: 'info' });
    await clock.advance(59_000);
    expect(levels).toEqual(['debug']);
    await clock.advance(1000);
    expect(levels).toEqual(['debug', 'info']);
    expect(live.view().logLevel).toEqual({ level: 'info', untilSeconds: null, configured: 'info' });
    expect(events).toEqual(['log.level_changed', 'log.level_restored']);
  });

  test('takes the place of the one before, and the configured one ends it at once', async () => {
    const { live, clock, levels } = scene();
    live.setLogLevel('debug', 60);
    live.setLogLevel('error', 10);
    live.setLogLevel('info', 60);
    expect(levels).toEqual(['debug', 'error', 'info']);
    expect(clock.pendingCount).toBe(0);
  });

  test('outlasts a reload, which changes what comes back', async () => {
    const { live, clock, file, levels } = scene();
    live.setLogLevel('debug', 60);
    file.text = 'log: {level: error}';
    await live.reload('api');
    expect(levels).toEqual(['debug']);
    await clock.advance(60_000);
    expect(levels).toEqual(['debug', 'error']);
  });
});
