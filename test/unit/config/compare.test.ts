// What differs between two configurations, and what becomes of the running one when it is read again.

import { describe, expect, test } from 'vitest';

import { adopt, changeText, compareSettings } from '../../../src/config/compare.ts';
import { printSettings } from '../../../src/config/example.ts';
import { type ConfigSources, loadConfig, type Loaded } from '../../../src/config/load.ts';
import { placeText } from '../../../src/config/place.ts';
import { describeSettings } from '../../../src/config/schema.ts';

function loaded(text: string, more: Partial<ConfigSources> = {}): Loaded {
  const result = loadConfig({ file: { name: 'c.yaml', text }, environment: {}, flags: [], ...more });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function sourceOf({ settings }: Loaded, path: string): string {
  const setting = settings.find((each) => each.path === path);
  if (setting === undefined) throw new Error(path);
  return placeText(setting.source);
}

describe('who has set a setting', () => {
  const both = loaded('raft:\n  data_dir: /file\nlog:\n  level: warn', {
    environment: { KVROCKS_CONTROLLER_LOG_LEVEL: 'debug', KVROCKS_CONTROLLER_HTTP_PORT: '9379' },
    flags: ['raft.id=1'],
  });

  test.each([
    ['raft.data_dir', 'c.yaml:2:3'],
    ['raft.id', '--set raft.id=1'],
    ['log.level', 'environment variable KVROCKS_CONTROLLER_LOG_LEVEL'],
    ['addr', 'environment variables KVROCKS_CONTROLLER_HTTP_HOST and KVROCKS_CONTROLLER_HTTP_PORT'],
    ['raft.peers', 'default'],
  ])('%s: %s', (path, source) => {
    expect(sourceOf(both, path)).toBe(source);
  });

  test('is printed beside every value, in a file that says the same', () => {
    const odd = loaded('raft: {data_dir: "a\\nb: c # d", peers: ["127.0.0.1:9379"]}\nlog: {level: warn}');
    const text = printSettings(odd.settings);
    expect(text).toContain('  level: warn                        # c.yaml:2:7\n');
    expect(loaded(text).config).toEqual(odd.config);
  });

  test('values of sections that mean nothing here are not printed', () => {
    const text = printSettings(loaded('etcd: {password: sesame}').settings);
    expect(text).not.toContain('sesame');
  });
});

describe('comparing', () => {
  test('nothing differs from itself, however it is written', () => {
    expect(compareSettings(loaded('').settings, loaded('log:\n  level: info').settings)).toEqual([]);
  });

  test('tells each setting that differs, with both values', () => {
    const changes = compareSettings(
      loaded('').settings,
      loaded('log: {level: warn}\nraft: {peers: ["127.0.0.1:9379"]}').settings,
    );
    expect(changes.map(changeText)).toEqual([
      'raft.peers: ["127.0.0.1:9379","127.0.0.1:9380","127.0.0.1:9381"] -> ["127.0.0.1:9379"]',
      'log.level: "info" -> "warn"',
    ]);
    expect(changes.map(({ isLive }) => isLive)).toEqual([false, true]);
  });
});

describe('reading again', () => {
  test('applies what counts at once, keeps the rest, and names both', () => {
    const adopted = adopt(
      loaded('raft: {data_dir: /a}\nlog: {level: info}'),
      loaded(
        '# moved\nraft: {data_dir: /b}\nlog: {level: warn}\ncontroller: {failover: {max_lag: 5, master_lease_ms: 9000}}',
      ),
    );
    if (!adopted.ok) throw new Error(adopted.error.message);
    const { running, applied, needsRestart } = adopted.value;
    expect(applied.map(({ path }) => path)).toEqual(['controller.failover.max_lag', 'log.level']);
    expect(needsRestart.map(({ path }) => path)).toEqual([
      'raft.data_dir',
      'controller.failover.master_lease_ms',
    ]);
    expect(running.config).toMatchObject({
      raft: { dataDir: '/a' },
      failover: { lagMax: 5, leaseMs: 0 },
      logLevel: 'warn',
    });
    expect([sourceOf(running, 'raft.data_dir'), sourceOf(running, 'log.level')]).toEqual([
      'c.yaml:1:8',
      'c.yaml:3:7',
    ]);
    // What waits for a restart is named again by the next one.
    const again = adopt(running, loaded('raft: {data_dir: /b}\nlog: {level: warn}'));
    expect(again.ok && again.value.needsRestart.map(({ path }) => path)).toEqual(['raft.data_dir']);
  });

  test('takes over what means nothing, to name it', () => {
    const adopted = adopt(loaded(''), loaded('etcd: {a: 1}'));
    expect(adopted.ok && adopted.value.running.config.withoutEffect).toEqual(['etcd']);
  });

  test('never applies what Raft, the port or the leases depend on', () => {
    const live = [...describeSettings()].filter(([, { isLive }]) => isLive).map(([path]) => path);
    expect(live.filter((path) => /^(addr|advertise_addr|raft\.)|lease/.test(path))).toEqual([]);
    expect(live).toHaveLength(9);
  });
});
