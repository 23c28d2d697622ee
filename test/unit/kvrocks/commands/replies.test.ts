// Parsers against replies recorded from a real server.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { err, ok } from '../../../../src/base/result.ts';
import { clientList } from '../../../../src/kvrocks/commands/client-list.ts';
import { clusterInfo } from '../../../../src/kvrocks/commands/cluster-info.ts';
import { clusterNodes } from '../../../../src/kvrocks/commands/cluster-nodes.ts';
import { followed, followedAddress, hasPassword } from '../../../../src/kvrocks/commands/config-get.ts';
import { followers } from '../../../../src/kvrocks/commands/followers.ts';
import { diskUsed } from '../../../../src/kvrocks/commands/info-keyspace.ts';
import { infoReplication } from '../../../../src/kvrocks/commands/info-replication.ts';
import { infoServer } from '../../../../src/kvrocks/commands/info-server.ts';
import { INSPECT_WORDS, parseInspection } from '../../../../src/kvrocks/commands/inspect.ts';
import { migrate } from '../../../../src/kvrocks/commands/migrate.ts';
import { myId } from '../../../../src/kvrocks/commands/my-id.ts';
import { parsePlace, parsePosition, PROBE_WORDS } from '../../../../src/kvrocks/commands/probe.ts';
import { setNodeId, setNodes } from '../../../../src/kvrocks/commands/set-topology.ts';
import { slotService } from '../../../../src/kvrocks/commands/slot-service.ts';
import { parseSettings, SETTINGS_WORDS } from '../../../../src/kvrocks/commands/settings.ts';

import { slotRange } from '../../../../src/topology/slot.ts';
import { SLOT_COUNT } from '../../../../src/topology/types.ts';
import { slotOfKey } from '../../../kvrocks-simulator/slots.ts';

const B = 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb';
const NOT_INITIALIZED = err('CLUSTERDOWN The cluster is not initialized');
const INFO =
  'cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:4\r\ncluster_size:3\r\ncluster_current_epoch:1\r\ncluster_my_epoch:1\r\n';
const REPLICA =
  '# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:16021\r\nmaster_link_status:up\r\nmaster_sync_unrecoverable_error:no\r\nmaster_sync_in_progress:0\r\nmaster_last_io_seconds_ago:1\r\nslave_repl_offset:1500\r\nslave_priority:100\r\nconnected_slaves:0\r\nmaster_repl_offset:1500\r\n';
const MASTER =
  '# Replication\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=127.0.0.1,port=16022,offset=1500,lag=10\r\nmaster_repl_offset:1510\r\n';
const REPLICA_REPORT = {
  role: 'replica',
  master: '127.0.0.1:16021',
  link: 'up',
  lastIoSeconds: 1,
  syncInProgress: false,
  sequence: 1500,
};

const UNKNOWN_SETTINGS = {
  emptiesBeforeFullSync: null,
  persistsTopology: null,
  servesStaleData: null,
  usesReplicationIds: null,
  migrateType: null,
  migrateSpeed: null,
  clientsMax: null,
};

describe('CLUSTER INFO', () => {
  it('without a job there is a version only', () => {
    expect(clusterInfo.parse(ok(INFO))).toEqual(ok({ version: 1, sourceJob: null, targetJob: null }));
  });

  it('a node without a topology has version -1', () => {
    expect(clusterInfo.parse(NOT_INITIALIZED)).toEqual(ok({ version: -1, sourceJob: null, targetJob: null }));
  });

  it.each([
    ['1795418011478', 1_795_418_011_478],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740993', Number.MAX_SAFE_INTEGER],
    ['9223372036854775807', Number.MAX_SAFE_INTEGER],
  ])('version %s, which a node may well have, is reported as %d', (text, version) => {
    const info = INFO.replace('cluster_current_epoch:1', `cluster_current_epoch:${text}`);
    expect(clusterInfo.parse(ok(info))).toMatchObject({ value: { version } });
  });

  it.each(['migrating_slot(s): ', 'migrating_slot: ', 'migrating_slot:', 'migrating_slot(s):'])(
    'reads a source job spelled %j',
    (key) => {
      const text = `${INFO}${key}1000\r\ndestination_node: ${B}\r\nmigrating_state: start\r\n`;
      expect(clusterInfo.parse(ok(text))).toEqual(
        ok({
          version: 1,
          sourceJob: { range: { start: 1000, stop: 1000 }, destination: B, state: 'start', isInEffect: null },
          targetJob: null,
        }),
      );
    },
  );

  it('reads the job of a range and the import of a target', () => {
    const source = `${INFO}migrating_slot(s): 201-203\r\ndestination_node: ${B}\r\nmigrating_state: success\r\n`;
    expect(clusterInfo.parse(ok(source))).toMatchObject({
      value: { sourceJob: { range: { start: 201, stop: 203 }, state: 'success' } },
    });
    const target = `${INFO}importing_slot(s): 1000\r\nimport_state: error\r\n`;
    expect(clusterInfo.parse(ok(target))).toMatchObject({
      value: { targetJob: { range: { start: 1000, stop: 1000 }, state: 'error' } },
    });
  });

  it.each([
    'cluster_state:ok\r\n',
    'cluster_current_epoch:x\r\n',
    'cluster_current_epoch:-2\r\n',
    `cluster_current_epoch:${'9'.repeat(400)}\r\n`,
    'cluster_current_epoch:1e3\r\n',
    `${INFO}migrating_slot(s): 16384\r\ndestination_node: ${B}\r\nmigrating_state: start\r\n`,
    `${INFO}migrating_slot(s): 1\r\ndestination_node: short\r\nmigrating_state: start\r\n`,
    `${INFO}migrating_slot(s): 1\r\ndestination_node: ${B}\r\nmigrating_state: dancing\r\n`,
    `${INFO}importing_slot(s): 1\r\nimport_state: fail\r\n`,
  ])('refuses %j', (text) => {
    expect(clusterInfo.parse(ok(text))).toMatchObject({ error: { kind: 'malformedReply' } });
  });
});

describe('INFO replication', () => {
  it('reads a replica', () => {
    expect(infoReplication.parse(ok(REPLICA))).toEqual(ok(REPLICA_REPORT));
  });

  it('reads a master', () => {
    expect(infoReplication.parse(ok(MASTER))).toEqual(
      ok({
        role: 'master',
        master: null,
        link: null,
        lastIoSeconds: null,
        syncInProgress: false,
        sequence: 1510,
      }),
    );
  });

  it('a replica that never heard from its master has no last contact', () => {
    const text = REPLICA.replace('seconds_ago:1', 'seconds_ago:1795418011').replace(
      'status:up',
      'status:down',
    );
    expect(infoReplication.parse(ok(text))).toMatchObject({ value: { lastIoSeconds: null, link: 'down' } });
  });

  it.each([
    ['-5', -5],
    ['18446744073709551615', null],
    ['', null],
    ['many', null],
  ])('a sequence of %j is reported as %s', (text, sequence) => {
    expect(infoReplication.parse(ok(MASTER.replace('offset:1510', `offset:${text}`)))).toMatchObject({
      value: { sequence },
    });
  });

  it('an empty section means that the node restores its data', () => {
    expect(infoReplication.parse(ok(''))).toMatchObject({ error: { kind: 'loading' } });
  });

  it.each([
    '# Replication\r\n',
    'role:king\r\n',
    'role:slave\r\nmaster_host:\r\nmaster_port:1\r\n',
    REPLICA.replace('status:up', 'status:sideways'),
  ])('refuses %j', (text) => {
    expect(infoReplication.parse(ok(text))).toMatchObject({ error: { kind: 'malformedReply' } });
  });
});

describe('a probe', () => {
  it('is three commands and never ROLE', () => {
    expect(PROBE_WORDS).toEqual([
      ['CLUSTER', 'INFO'],
      ['CLUSTERX', 'MYID'],
      ['INFO', 'replication'],
    ]);
  });

  it('tells the place of a node and its position', () => {
    expect(parsePlace([ok(INFO), ok(B)])).toEqual(
      ok({ id: B, version: 1, sourceJob: null, targetJob: null }),
    );
    expect(parsePosition(ok(REPLICA))).toEqual(ok(REPLICA_REPORT));
  });

  it('tells a fresh node', () => {
    const fresh = '# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:0\r\n';
    expect(parsePlace([NOT_INITIALIZED, ok('')])).toMatchObject({ value: { id: null, version: -1 } });
    expect(parsePosition(ok(fresh))).toMatchObject({ value: { role: 'master', sequence: 0 } });
  });

  it.each([
    ['LOADING kvrocks is restoring the db from backup', 'loading'],
    ['NOAUTH Authentication required.', 'passwordRequired'],
    ['ERR Cluster mode is not enabled', 'clusterDisabled'],
    ["ERR unknown command 'CLUSTERX', with args beginning with: 'MYID' ", 'notKvrocks'],
  ])('fails as a whole with %j', (text, kind) => {
    expect(parsePlace([err(text), err(text)])).toMatchObject({ error: { kind } });
  });

  it('turns any values into a report or a typed error', () => {
    const anything = fc.oneof(
      fc.anything().map(ok),
      fc.string().map(err),
      fc.constantFrom(ok(INFO), ok(B), ok(REPLICA)),
    );
    fc.assert(
      fc.property(anything, anything, anything, (info, id, replication) => {
        expect(typeof parsePlace([info, id]).ok).toBe('boolean');
        expect(typeof parsePosition(replication).ok).toBe('boolean');
      }),
    );
  });
});

describe('other commands', () => {
  it('MYID: empty is none, 40 characters are an id, anything else is malformed', () => {
    expect(myId.parse(ok(''))).toEqual(ok(null));
    expect(myId.parse(ok(B))).toEqual(ok(B));
    expect(myId.parse(ok('short'))).toMatchObject({ error: { kind: 'malformedReply' } });
    expect(myId.parse(ok(5))).toMatchObject({ error: { kind: 'malformedReply' } });
  });

  it('SETNODES, SETNODEID and MIGRATE succeed with OK only', () => {
    const range = { start: 201, stop: 203 } as never;
    for (const command of [
      setNodes({ text: 'x', version: 3 as never, force: false }),
      setNodeId(B as never),
      migrate(range, B as never),
    ]) {
      expect(command.parse(ok('OK'))).toEqual(ok(undefined));
      expect(command.parse(ok(null))).toMatchObject({ error: { kind: 'malformedReply' } });
      expect(command.parse(err('ERR Invalid cluster version'))).toMatchObject({
        error: { kind: 'invalidVersion' },
      });
    }
    expect(migrate(range, B as never).words).toEqual(['CLUSTERX', 'MIGRATE', '201-203', B]);
    const push = { text: 'text', version: 3 as never };
    expect(setNodes({ ...push, force: false }).words).toEqual(['CLUSTERX', 'SETNODES', 'text', '3']);
    expect(setNodes({ ...push, force: true }).words).toEqual(['CLUSTERX', 'SETNODES', 'text', '3', 'FORCE']);
  });

  it('INFO server: only Kvrocks has a kvrocks_version', () => {
    const kvrocks =
      '# Server\r\nversion:unstable\r\nkvrocks_version:unstable\r\nredis_version:4.0.0\r\nredis_mode:cluster\r\nkvrocks_mode:cluster\r\n';
    expect(infoServer.parse(ok(kvrocks))).toEqual(
      ok({ kvrocksVersion: 'unstable', isClusterEnabled: true, processId: null, uptimeSeconds: null }),
    );
    expect(infoServer.parse(ok(`${kvrocks}process_id:4711\r\nuptime_in_seconds:60\r\n`))).toMatchObject({
      value: { processId: 4711, uptimeSeconds: 60 },
    });
    expect(infoServer.parse(ok('# Server\r\nredis_version:7.2.0\r\nredis_mode:cluster\r\n'))).toMatchObject({
      error: { kind: 'notKvrocks' },
    });
  });

  it('an inspection names the first thing that is wrong', () => {
    const server = (mode: string) => ok(`# Server\r\nkvrocks_version:2.9.0\r\nkvrocks_mode:${mode}\r\n`);
    expect(INSPECT_WORDS).not.toContainEqual(['INFO', 'replication']);
    const refused = Array.from({ length: 8 }, () => err('ERR admin permission required'));
    expect(parseInspection([server('cluster'), NOT_INITIALIZED, ok(''), ...refused])).toEqual(
      ok({
        kvrocksVersion: '2.9.0',
        id: null,
        version: -1,
        role: 'master',
        master: null,
        sequence: null,
        processId: null,
        uptimeSeconds: null,
        masterAuth: null,
        settings: UNKNOWN_SETTINGS,
        sourceJob: null,
        targetJob: null,
      }),
    );
    const off = err('ERR Cluster mode is not enabled');
    expect(parseInspection([server('standalone'), off, off])).toMatchObject({
      error: { kind: 'clusterDisabled' },
    });
    expect(parseInspection([err('NOAUTH Authentication required.'), off, off])).toMatchObject({
      error: { kind: 'passwordRequired' },
    });
  });

  it('settings are read from what the server prints, and what it does not print is unknown', () => {
    expect(SETTINGS_WORDS.map(([, , name]) => name)).toEqual([
      'slave-empty-db-before-fullsync',
      'persist-cluster-nodes-enabled',
      'slave-serve-stale-data',
      'use-rsid-psync',
      'migrate-type',
      'migrate-speed',
      'maxclients',
    ]);
    const values = ['yes', 'no', 'yes', 'no', 'redis-command', '4096', '10240'];
    const replies = values.map((value, index) => ok([SETTINGS_WORDS[index]![2], value]));
    expect(parseSettings(replies)).toEqual({
      emptiesBeforeFullSync: true,
      persistsTopology: false,
      servesStaleData: true,
      usesReplicationIds: false,
      migrateType: 'redis-command',
      migrateSpeed: 4096,
      clientsMax: 10_240,
    });
    expect(parseSettings(values.map(() => ok([])))).toEqual(UNKNOWN_SETTINGS);
    expect(parseSettings(values.map(() => ok(['other', 'yes'])))).toEqual(UNKNOWN_SETTINGS);
    expect(parseSettings([])).toEqual(UNKNOWN_SETTINGS);
    fc.assert(
      fc.property(fc.array(fc.anything().map(ok)), (any) => {
        expect(Object.keys(parseSettings(any))).toHaveLength(7);
      }),
    );
  });

  it.each([
    ['# Keyspace\r\nused_percent: 3%\r\nused_disk_percent: 70.7938%\r\n', 70.7938],
    ['used_disk_percent:100%\r\n', 100],
    ['used_disk_percent: nan%\r\n', null],
    ['used_disk_percent: 1e9%\r\n', null],
    ['sequence:1\r\n', null],
  ])('KD7: %j says that a disk is used to %j percent', (text, percent) => {
    expect(diskUsed.parse(ok(text))).toEqual(ok(percent));
  });

  it('who follows is read from the word that touches no data', () => {
    expect(followedAddress(followed.parse(ok(['slaveof', '127.0.0.1 16021'])))).toBe('127.0.0.1:16021');
    expect(followedAddress(followed.parse(ok(['slaveof', '::1 16021'])))).toBe('[::1]:16021');
    for (const none of [ok(['slaveof', '']), ok([]), ok(null), err('ERR no'), ok(['slaveof', 'x'])]) {
      expect(followedAddress(followed.parse(none))).toBe(null);
    }
  });

  it('whether a node has a password is told without the password', () => {
    expect(hasPassword.parse(ok(['requirepass', 'hidden']))).toEqual(ok(true));
    expect(hasPassword.parse(ok(['requirepass', '']))).toEqual(ok(false));
    expect(hasPassword.parse(ok([]))).toEqual(ok(false));
    expect(JSON.stringify(hasPassword.parse(ok(['other', 'hidden'])))).not.toContain('hidden');
  });

  it('the followers of a master are those that it lists', () => {
    expect(followers.parse(ok(MASTER))).toEqual(ok([{ host: '127.0.0.1', port: 16_022 }]));
    expect(followers.parse(ok(MASTER.replace('slave0:ip', 'slave0:what')))).toEqual(ok([]));
    expect(followers.parse(ok(REPLICA))).toMatchObject({ error: { kind: 'malformedReply' } });
  });

  it('CLIENT LIST is read line by line, also with names that look like fields and without what is unknown', () => {
    const real =
      'id=3 addr=127.0.0.1:59436 fd=20 name= age=1 idle=1 flags=S namespace=__namespace qbuf=0 obuf=0 cmd=psync\n';
    const odd = 'id=4 addr=::1:59437 name=id=9 flags=N namespace=ns obuf=70 cmd=SET\n';
    expect(clientList.parse(ok(`${real}${odd}nonsense\nid=x\n`))).toEqual(
      ok([
        {
          id: 3,
          host: '127.0.0.1',
          name: '',
          flags: 'S',
          unsentBytes: 0,
          namespace: '__namespace',
          command: 'psync',
        },
        { id: 4, host: '::1', name: 'id=9', flags: 'N', unsentBytes: 70, namespace: 'ns', command: 'set' },
      ]),
    );
    fc.assert(fc.property(fc.anything(), (any) => typeof clientList.parse(ok(any)).ok === 'boolean'));
  });

  it('CLUSTER NODES is a text, or the reason why there is none', () => {
    const line = `${B} 127.0.0.1:16122@26122 myself,master - 1795418011478 1795418011479 1 connected 8192-15999\n`;
    expect(clusterNodes.parse(ok(line))).toEqual(ok(line));
    expect(clusterNodes.parse(ok(null))).toMatchObject({ error: { kind: 'malformedReply' } });
    expect(clusterNodes.parse(NOT_INITIALIZED)).toMatchObject({ error: { kind: 'notInitialized' } });
  });
});

describe('the service of a slot', () => {
  const command = slotService(slotRange(1000, 1000).start);

  it('is asked with a key of that slot, of which there is one for each', () => {
    for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
      const [word, key] = slotService(slotRange(slot, slot).start).words;
      expect(word).toBe('PERSIST');
      expect(slotOfKey(String(key))).toBe(slot);
    }
  });

  it.each([
    [ok(0), { kind: 'served' }],
    [err('MOVED 1000 127.0.0.1:16012'), { kind: 'moved', to: '127.0.0.1:16012' }],
    [err('MOVED 1000 ::1:16013'), { kind: 'moved', to: '[::1]:16013' }],
    [err('MOVED 1000 nowhere:0'), { kind: 'moved', to: null }],
    [
      err("TRYAGAIN Can't write to slot being migrated which is in write forbidden phase"),
      { kind: 'writeForbidden' },
    ],
    [
      err('CLUSTERDOWN Hash slot not served'),
      { kind: 'refused', reason: 'CLUSTERDOWN Hash slot not served' },
    ],
  ])('%j is %j', (reply, service) => {
    expect(command.parse(reply)).toEqual(ok(service));
  });

  it('is not known of a node that is loading', () => {
    expect(command.parse(err('LOADING kvrocks is restoring the db from backup'))).toMatchObject({
      error: { kind: 'loading' },
    });
  });
});
