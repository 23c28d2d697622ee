// What a configuration may say, and the one line that says what is wrong with it.

import { describe, expect, test } from 'vitest';

import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import { exampleConfig } from '../../../src/config/example.ts';
import { loadConfig, type ConfigSources } from '../../../src/config/load.ts';
import { problemText } from '../../../src/config/place.ts';
import { describeSettings } from '../../../src/config/schema.ts';
import { SETTING_PATHS } from '../../../src/config/settings.ts';
import { ok } from '../../../src/base/result.ts';

function load(text: string, more: Partial<ConfigSources> = {}) {
  const result = loadConfig({ file: { name: 'c.yaml', text }, environment: {}, flags: [], ...more });
  return result.ok ? ok(result.value.config) : result;
}

function problems(text: string, more: Partial<ConfigSources> = {}): readonly string[] {
  const result = load(text, more);
  if (result.ok) throw new Error('expected a problem');
  return result.error.map(problemText);
}

/** The one that is told at a start. */
function problem(text: string, more: Partial<ConfigSources> = {}): string {
  return problems(text, more)[0] ?? '';
}

describe('loading', () => {
  test('flags and variables know every setting of the schema', () => {
    expect(SETTING_PATHS).toEqual([...describeSettings().keys()]);
  });

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
      {
        pingIntervalMs: 500,
        maxPingCount: 7,
        restartGraceMs: 800,
        lagMax: 10_000,
        switchoverTimeoutMs: 2000,
        coolDownMs: 30_000,
        aliveSizeMin: 10,
        failureRatioMax: 0.6,
        leaseMs: 0,
      },
    ]);
  });

  test('leases are off, or as long as they have to be', () => {
    for (const leaseMs of [0, 2000, 60_000]) {
      const result = load(`controller: {failover: {master_lease_ms: ${leaseMs}}}`);
      expect(result.ok && result.value.failover.leaseMs).toBe(leaseMs);
    }
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
    expect(result.ok && result.value.failover).toMatchObject({ aliveSizeMin: 5, failureRatioMax: 0.6 });
  });

  test.each([
    ['etcd', 'addrs: ["127.0.0.1:2379"]\n  username:\n  password:\n  tls: {enable: false, cert_file: }'],
    ['zookeeper', 'addrs: ["127.0.0.1:2181"]\n  scheme:\n  auth:'],
    ['consul', 'addrs: ["127.0.0.1:8500"]\n  elect_path:'],
  ])('KD8c: a file for %s is accepted, and what means nothing here is named', (store, section) => {
    const text = `addr: "127.0.0.1:9379"
storage_type: ${store}
${store}:
  ${section}
controller:
  failover: {ping_interval_seconds: 3, min_alive_size: 5, max_failure_ratio: 0.6, gc_interval_seconds: 3600}
admin: {addr: "127.0.0.1:9380"}
log: {level: info, filename: /data/logs/kvctl.log, max_backups: 10}
`;
    const result = load(text);
    expect(result.ok && result.value.withoutEffect).toEqual([
      'storage_type',
      store,
      'controller.failover.gc_interval_seconds',
      'admin',
      'log.filename',
      'log.max_backups',
    ]);
  });

  test('nothing is named where everything counts', () => {
    const result = load(exampleConfig());
    expect(result.ok && result.value.withoutEffect).toEqual([]);
  });

  test('KD8: peers may be URLs, as tools of earlier controllers write them', () => {
    const peers = '["http://127.0.0.1:9379", "http://127.0.0.1:9380/", "127.0.0.1:9381"]';
    const result = load(`addr: "127.0.0.1:9380"\nraft: {id: 2, peers: ${peers}}`);
    expect(result.ok && result.value.raft.peers).toEqual([
      '127.0.0.1:9379',
      '127.0.0.1:9380',
      '127.0.0.1:9381',
    ]);
  });

  test('a section whose lines are all commented out, or a key without a value, sets nothing', () => {
    expect(load('raft:\nlog:\n  level:\ncontroller: {failover: {max_ping_count: }}')).toEqual(load(''));
  });

  test('a group can be held at a lower feature level, and never above what this release supports', () => {
    const level = (text: string) => {
      const result = load(text);
      return result.ok && result.value.raft.featureLevel;
    };
    expect(level('')).toBe(FEATURE_LEVEL);
    expect(level('raft: {feature_level_max: 1}')).toBe(1);
    expect(level(`raft: {feature_level_max: ${FEATURE_LEVEL + 7}}`)).toBe(FEATURE_LEVEL);
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
    [
      'controller: {failover: {master_lease_ms: 1999}}',
      'c.yaml:1:25: controller.failover.master_lease_ms: must be 0 (off) or at least 2000 (1000, and 4 x raft.election_timeout_ms)',
    ],
    [
      'raft: {election_timeout_ms: 200}\ncontroller: {failover: {master_lease_ms: 999}}',
      'controller.failover.master_lease_ms: must be 0 (off) or at least 1000',
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
    ['raft: {id: zero}', 'raft.id: expected a number, got "zero"'],
    ['raft: {id: 1.5}', 'raft.id: expected a whole number, got 1.5'],
    ['raft: {id: 0}', 'raft.id: must be at least 1, got 0'],
    ['raft: {data_dir: ""}', 'raft.data_dir: must not be empty'],
    ['raft: {data_dir: [a]}', 'raft.data_dir: expected a text, got a list'],
    ['raft: {peers: "127.0.0.1:9379"}', 'raft.peers: expected a list, got "127.0.0.1:9379"'],
    ['raft: {peers: [{a: 1}]}', 'raft.peers.0: expected a text, got further settings'],
    [`raft: {peers: [${'a,'.repeat(100)}]}`, 'raft.peers: has more than 99 entries'],
    ['raft: {cluster_state: neu}', 'raft.cluster_state: expected new or existing, got "neu"'],
    [
      'raft: {heartbeat_interval_ms: 100000}',
      'raft.heartbeat_interval_ms: must be at most 10000, got 100000',
    ],
    ['raft: 3', 'raft: expected settings as "key: value" lines below it, got 3'],
    ['raft: {id: 1, id: 2}', 'c.yaml:1:15: the key "id" is there twice'],
    ['? [a, b]\n: 1', 'a key must be a word'],
    ['raft: {peers: ["0.0.0.0:9379"]}', 'raft.peers: entry 1: "0.0.0.0:9379" stands for every address'],
    ['raft: {peers: ["https://a:1"]}', 'raft.peers: entry 1: "https://a:1": controllers speak plain HTTP'],
    ['advertise_addr: "[::]:9379"', 'advertise_addr: "[::]:9379" stands for every address'],
    ['addr: "*:9379"', 'addr: expected host:port, got "*:9379"'],
    ['addr: "[0::0]:9379"', 'advertise_addr: others cannot reach "[0::0]:9379"'],
    ['"k\\n\\u001b[2J": 1', 'unknown key "k\\u{a}\\u{1b}[2J"'],
  ])('KD8, KD8c: %j says where and why', (text, expected) => {
    expect(problem(text)).toContain(expected);
    expect(problem(text)).not.toContain('\n');
  });

  test('KD3h: a file larger than any configuration is refused before it is read as YAML', () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => `k${index}: 1\n`).join('');
    expect(problem(keys)).toBe('c.yaml: larger than 64 KiB, which no configuration is');
    expect(problem(`# ${'x'.repeat(64 * 1024)}`)).toContain('larger than 64 KiB');
  });

  test('a file that is nested too deeply is refused like any other', () => {
    expect(problem('['.repeat(20_000))).toMatch(/^c.yaml:1:\d+: not valid YAML: it is nested too deeply$/);
  });

  test('KD3h: values of the environment and of flags are quoted on one line, and not at any length', () => {
    const odd = `1\n2\u001b[31m${'x'.repeat(10_000)}`;
    const seen = [
      problem('', { environment: { KVROCKS_CONTROLLER_RAFT_ID: odd } }),
      problem('', { environment: { KVROCKS_CONTROLLER_HTTP_HOST: odd } }),
      problem('', { environment: { KVROCKS_CONTROLLER_RAFT_PEERS: odd } }),
      problem('', { environment: { KVROCKS_CONTROLLER_LOG_LEVEL: odd } }),
      problem('', { flags: [`raft.id=${odd}`] }),
      problem('', { flags: [`${odd}=1`] }),
      problem('', { flags: [odd] }),
      problem('', { file: { name: 'odd\nname', text: 'x: 1' } }),
    ];
    for (const line of seen) {
      expect(line).not.toMatch(/\p{Cc}/u);
      expect(line.length).toBeLessThan(1000);
    }
  });

  test('all problems of a file are told in the order of its lines, and not more than anybody reads', () => {
    expect(problems('raft:\n  idd: 1\n  snapshot_entries: 1\nrafft: {}\nlog: {level: loud}')).toEqual([
      'c.yaml:2:3: unknown key "raft.idd"; did you mean "raft.id"?',
      'c.yaml:3:3: raft.snapshot_entries: must be at least 10, got 1',
      'c.yaml:4:1: unknown key "rafft"; did you mean "raft"?',
      'c.yaml:5:7: log.level: expected debug or info or warn or error, got "loud"',
    ]);
    const keys = Array.from({ length: 1000 }, (_, index) => `k${index}: 1\n`).join('');
    expect(problems(keys)).toHaveLength(20);
    expect(problems('', { flags: ['raft.idd=1', 'raft.id'] })).toHaveLength(2);
  });

  test.each([
    [
      'raft: {peers: ["127.0.0.1:9379", "10.0.0.2:9379"]}',
      'c.yaml: addr: "127.0.0.1:9379" is reached from this machine alone, and "10.0.0.2:9379" of raft.peers is another one',
    ],
    [
      'advertise_addr: "localhost:1"\nraft: {peers: ["localhost:1", "[2001:db8::2]:1"]}',
      'c.yaml:1:1: advertise_addr: "localhost:1" is reached from this machine alone',
    ],
    [
      'addr: "10.0.0.2:1"\nraft: {id: 2, peers: ["127.0.0.1:1", "10.0.0.2:1"]}',
      'c.yaml:2:15: raft.peers: entry 1: "127.0.0.1:1" is each machine\'s own address',
    ],
  ])('%j mixes members that are on one machine with others', (text, expected) => {
    expect(problem(text)).toContain(expected);
  });

  test('names may lead anywhere, and whom a joining member asks is its own business', () => {
    expect(load('raft: {peers: ["127.0.0.1:9379", "b.example:9379"]}').ok).toBe(true);
    expect(
      load('addr: "10.0.0.4:1"\nraft: {id: 4, cluster_state: existing, peers: ["127.0.0.1:1"]}').ok,
    ).toBe(true);
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
