// What a configuration may say, and the one line that says what is wrong with it.

import { describe, expect, test } from 'vitest';

import { exampleConfig } from '../../../src/config/example.ts';
import { loadConfig, type ConfigSources } from '../../../src/config/load.ts';

function load(text: string, more: Partial<ConfigSources> = {}) {
  return loadConfig({ file: { name: 'c.yaml', text }, environment: {}, flags: [], ...more });
}

function problem(text: string, more: Partial<ConfigSources> = {}): string {
  const result = load(text, more);
  if (result.ok) throw new Error('expected a problem');
  return result.error;
}

describe('loading', () => {
  test('an empty file gives the defaults', () => {
    const result = load('');
    expect(result.ok && result.value).toMatchObject({
      listen: { host: '127.0.0.1', port: 9379 },
      advertiseAddress: '127.0.0.1:9379',
      raft: { id: 1, dataDir: './data/1', heartbeatIntervalMs: 50, electionTimeoutMs: 500 },
      failover: { pingIntervalMs: 3000, maxPingCount: 5 },
      logLevel: 'info',
    });
  });

  test('the example file gives the defaults', () => {
    expect(load(exampleConfig())).toEqual(load(''));
  });

  test('flags win over the environment, the environment over the file', () => {
    const environment = {
      KVROCKS_CONTROLLER_RAFT_DATA_DIR: '/env',
      KVROCKS_CONTROLLER_CONTROLLER_FAILOVER_MAX_PING_COUNT: '7',
    };
    const result = load('raft: {data_dir: /file}\ncontroller: {failover: {ping_interval_seconds: 0.5}}', {
      environment,
      flags: ['raft.data_dir=/flag'],
    });
    expect(result.ok && [result.value.raft.dataDir, result.value.failover]).toEqual([
      '/flag',
      { pingIntervalMs: 500, maxPingCount: 7 },
    ]);
  });

  test('HTTP_HOST and HTTP_PORT override addr', () => {
    const environment = { KVROCKS_CONTROLLER_HTTP_HOST: '127.0.0.9', KVROCKS_CONTROLLER_HTTP_PORT: '1234' };
    const result = load('raft: {peers: ["127.0.0.9:1234"]}', { environment });
    expect(result.ok && result.value.listen).toEqual({ host: '127.0.0.9', port: 1234 });
  });

  test('keys of earlier controllers are accepted', () => {
    const text = `
storage_type: raft
admin: {addr: "127.0.0.1:9380"}
log: {level: warn, filename: /var/log/x.log}
controller: {failover: {gc_interval_seconds: 3600, min_alive_size: 5, max_failure_ratio: 0.6}}`;
    const result = load(text);
    expect(result.ok && result.value.logLevel).toBe('warn');
  });

  test('a member that joins may have any number, and the members it asks stand in any order', () => {
    const result = load(
      'addr: "127.0.0.1:9390"\nraft: {id: 7, cluster_state: existing, peers: ["127.0.0.1:9380", "127.0.0.1:9379"]}',
    );
    expect(result.ok && result.value.raft).toMatchObject({
      id: 7,
      clusterState: 'existing',
      peers: ['127.0.0.1:9380', '127.0.0.1:9379'],
    });
  });

  test('variables that Kubernetes sets for a service are ignored', () => {
    expect(load('', { environment: { KVROCKS_CONTROLLER_PORT: 'tcp://10.0.0.1:9379' } }).ok).toBe(true);
  });
});

describe('refusing', () => {
  test.each([
    ['raft:\n  idd: 1\n', 'c.yaml:2:3: unknown key "raft.idd"; did you mean "raft.id"?'],
    ['rafft: {}\n', 'c.yaml:1:1: unknown key "rafft"; did you mean "raft"?'],
    ['raft: {id: zero}', 'c.yaml:1:8: raft.id: '],
    ['raft: {id: 4}', 'c.yaml:1:8: raft.id: there is no entry 4 in raft.peers (it has 3)'],
    [
      'addr: "127.0.0.1:9999"',
      'c.yaml: raft.peers: entry 1 is "127.0.0.1:9379" but member 1 is reached at "127.0.0.1:9999"',
    ],
    ['addr: "0.0.0.0:9379"', 'c.yaml: advertise_addr: others cannot reach "0.0.0.0:9379"'],
    ['addr: nonsense', 'c.yaml:1:1: addr: expected host:port'],
    [
      'raft: {peers: ["127.0.0.1:9379", "127.0.0.1:9379"]}',
      'c.yaml:1:8: raft.peers: entry 2: "127.0.0.1:9379" is listed twice',
    ],
    ['raft: {election_timeout_ms: 150}', 'c.yaml:1:8: raft.election_timeout_ms: must be at least 4 x'],
    [
      'raft: {id: 4, cluster_state: existing, peers: ["127.0.0.1:9379"]}',
      'c.yaml:1:40: raft.peers: names nobody but this member',
    ],
    [
      'controller: {failover: {ping_interval_seconds: 0.1}}',
      'c.yaml:1:25: controller.failover.ping_interval_seconds: ',
    ],
    ['- a\n- b\n', 'c.yaml: expected settings'],
    ['raft: {id: 1', 'c.yaml:1:13: not valid YAML'],
    ['raft: 3', 'c.yaml:1:1: raft: '],
    ['raft: &a {id: 1, data_dir: *b}', 'c.yaml: not usable YAML'],
  ])('%j says where and why', (text, expected) => {
    expect(problem(text)).toContain(expected);
    expect(problem(text)).not.toContain('\n');
  });

  test('an override says where it came from', () => {
    expect(problem('', { environment: { KVROCKS_CONTROLLER_RAFT_ID: 'x' } })).toContain(
      'environment variable KVROCKS_CONTROLLER_RAFT_ID: raft.id: expected a number',
    );
    expect(problem('', { flags: ['raft.id=9'] })).toContain('--set raft.id=9: raft.id: there is no entry 9');
    expect(problem('', { flags: ['raft.ids=9'] })).toContain(
      'unknown setting "raft.ids"; did you mean "raft.id"?',
    );
    expect(problem('', { flags: ['raft.id'] })).toContain('expected path=value');
  });
});
