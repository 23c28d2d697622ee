// Parsers against replies recorded from a real server.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { err, ok } from '../../../../src/base/result.ts';
import { clusterInfo } from '../../../../src/kvrocks/commands/cluster-info.ts';
import { clusterNodes } from '../../../../src/kvrocks/commands/cluster-nodes.ts';
import { infoReplication } from '../../../../src/kvrocks/commands/info-replication.ts';
import { infoServer } from '../../../../src/kvrocks/commands/info-server.ts';
import { INSPECT_WORDS, parseInspection } from '../../../../src/kvrocks/commands/inspect.ts';
import { migrate } from '../../../../src/kvrocks/commands/migrate.ts';
import { myId } from '../../../../src/kvrocks/commands/my-id.ts';
import { parseProbe, PROBE_WORDS } from '../../../../src/kvrocks/commands/probe.ts';
import { setNodeId, setNodes } from '../../../../src/kvrocks/commands/set-topology.ts';

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

describe('CLUSTER INFO', () => {
  it('without a job there is a version only', () => {
    expect(clusterInfo.parse(ok(INFO))).toEqual(ok({ version: 1, sourceJob: null, targetJob: null }));
  });

  it('a node without a topology has version -1', () => {
    expect(clusterInfo.parse(NOT_INITIALIZED)).toEqual(ok({ version: -1, sourceJob: null, targetJob: null }));
  });

  it.each(['migrating_slot(s): ', 'migrating_slot: ', 'migrating_slot:', 'migrating_slot(s):'])(
    'reads a source job spelled %j',
    (key) => {
      const text = `${INFO}${key}1000\r\ndestination_node: ${B}\r\nmigrating_state: start\r\n`;
      expect(clusterInfo.parse(ok(text))).toEqual(
        ok({
          version: 1,
          sourceJob: { range: { start: 1000, stop: 1000 }, destination: B, state: 'start' },
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

  it('joins the three replies', () => {
    expect(parseProbe([ok(INFO), ok(B), ok(REPLICA)])).toEqual(
      ok({
        id: B,
        version: 1,
        sourceJob: null,
        targetJob: null,
        ...REPLICA_REPORT,
        login: 'accepted',
        emptiesBeforeFullSync: null,
      }),
    );
  });

  it('reports a fresh node', () => {
    const fresh = '# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:0\r\n';
    expect(parseProbe([NOT_INITIALIZED, ok(''), ok(fresh)])).toMatchObject({
      value: { id: null, version: -1, role: 'master', sequence: 0 },
    });
  });

  it.each([
    ['LOADING kvrocks is restoring the db from backup', 'loading'],
    ['NOAUTH Authentication required.', 'passwordRequired'],
    ['ERR Cluster mode is not enabled', 'clusterDisabled'],
  ])('fails as a whole with %j', (text, kind) => {
    expect(parseProbe([err(text), err(text), ok('')])).toMatchObject({ error: { kind } });
  });

  it('turns any values into a report or a typed error', () => {
    const anything = fc.oneof(
      fc.anything().map(ok),
      fc.string().map(err),
      fc.constantFrom(ok(INFO), ok(B), ok(REPLICA)),
    );
    fc.assert(
      fc.property(fc.tuple(anything, anything, anything), (replies) => {
        expect(typeof parseProbe(replies).ok).toBe('boolean');
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
    expect(infoServer.parse(ok(kvrocks))).toEqual(ok({ kvrocksVersion: 'unstable', isClusterEnabled: true }));
    expect(infoServer.parse(ok('# Server\r\nredis_version:7.2.0\r\nredis_mode:cluster\r\n'))).toMatchObject({
      error: { kind: 'notKvrocks' },
    });
  });

  it('an inspection names the first thing that is wrong', () => {
    const server = (mode: string) => ok(`# Server\r\nkvrocks_version:2.9.0\r\nkvrocks_mode:${mode}\r\n`);
    expect(INSPECT_WORDS).toHaveLength(3);
    expect(parseInspection([server('cluster'), NOT_INITIALIZED, ok('')])).toEqual(
      ok({ kvrocksVersion: '2.9.0', id: null, version: -1 }),
    );
    const off = err('ERR Cluster mode is not enabled');
    expect(parseInspection([server('standalone'), off, off])).toMatchObject({
      error: { kind: 'clusterDisabled' },
    });
    expect(parseInspection([err('NOAUTH Authentication required.'), off, off])).toMatchObject({
      error: { kind: 'passwordRequired' },
    });
  });

  it('CLUSTER NODES is a text, or the reason why there is none', () => {
    const line = `${B} 127.0.0.1:16122@26122 myself,master - 1795418011478 1795418011479 1 connected 8192-15999\n`;
    expect(clusterNodes.parse(ok(line))).toEqual(ok(line));
    expect(clusterNodes.parse(ok(null))).toMatchObject({ error: { kind: 'malformedReply' } });
    expect(clusterNodes.parse(NOT_INITIALIZED)).toMatchObject({ error: { kind: 'notInitialized' } });
  });
});
