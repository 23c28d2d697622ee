import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import { removeSlots } from '../../../src/topology/change-slots.ts';
import {
  clusterFromNodes,
  ownLine,
  parseClusterNodes,
  topologyFingerprint,
} from '../../../src/topology/cluster-nodes-text.ts';
import { clusterWithVersion, replicasOf } from '../../../src/topology/cluster.ts';
import { describe as sentence } from '../../../src/topology/errors.ts';
import { isolationText, setNodesText } from '../../../src/topology/setnodes-text.ts';
import { ALL_SLOTS, printSlotSet, slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import { NOW_SECONDS, clusterArbitrary, name, nodeIdAt, sampleCluster, valueOf } from './arbitrary.ts';
import { nodesText } from './nodes-text.ts';

const plan = { name: name('sample'), password: Secret.none, nowSeconds: NOW_SECONDS };
const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const C = 'c'.repeat(40);

function importText(text: string): Cluster {
  return valueOf(clusterFromNodes(valueOf(parseClusterNodes(text)), plan));
}

test('SETNODES text has one line a node, single slots without a dash, slot-less masters without slots', () => {
  const cluster = sampleCluster(2, 2);
  const [a, b, c, d] = [
    nodeIdAt(cluster, 0, 0),
    nodeIdAt(cluster, 0, 1),
    nodeIdAt(cluster, 1, 0),
    nodeIdAt(cluster, 1, 1),
  ];
  const odd = valueOf(removeSlots(cluster, 0, slotSetOf([slotRange(1, 4), slotRange(6, 8191)])));
  expect(setNodesText(odd).split('\n')).toEqual([
    `${a} 127.0.0.1 7000 master - 0 5`,
    `${b} 127.0.0.1 7001 slave ${a}`,
    `${c} 127.0.0.1 7002 master - 8192-16383`,
    `${d} 127.0.0.1 7003 slave ${c}`,
  ]);
  const bare = valueOf(removeSlots(sampleCluster(1, 1), 0, ALL_SLOTS));
  expect(setNodesText(bare)).toBe(`${nodeIdAt(bare, 0, 0)} 127.0.0.1 7000 master -`);
});

test('what nodes would tell of any cluster, in any line order, reads back as the same cluster', () => {
  fc.assert(
    fc.property(clusterArbitrary, fc.array(fc.nat(), { minLength: 1, maxLength: 20 }), (cluster, order) => {
      const back = importText(nodesText(cluster, order));
      expect(setNodesText(back).split('\n').toSorted()).toEqual(setNodesText(cluster).split('\n').toSorted());
      expect(back.version).toBe(cluster.version);
      expect(back).toEqual(importText(nodesText(cluster, order.toReversed())));
    }),
  );
});

test('a recorded reply with flags, job marks, neighbouring ranges, host names and bare IPv6 is read', () => {
  const lines = valueOf(
    parseClusterNodes(
      `${C} ::1:16013@26013 master - 1795417817758 1795417817759 400 connected 12001-16383\n` +
        `${B} my-host.example:16012@26012 slave ${A} 1795417817758 1795417817759 400 connected\r\n` +
        `${A} 127.0.0.1:16011@26011 myself,master - 1795417817758 1795417817759 400 connected 0-20 21-8191 9000 [1000->-${C}]\n\n`,
    ),
  );
  expect(
    lines.map((line) => [line.address, line.role, line.isMyself, printSlotSet(line.slots).join(' ')]),
  ).toEqual([
    ['[::1]:16013', 'master', false, '12001-16383'],
    ['my-host.example:16012', 'replica', false, ''],
    ['127.0.0.1:16011', 'master', true, '0-8191 9000'],
  ]);
  const cluster = valueOf(clusterFromNodes(lines, plan));
  expect(cluster.shards.map((shard) => shard.nodes.map((node) => node.id[0]).join(''))).toEqual(['ab', 'c']);
});

test('states such as fail are read over', () => {
  expect(importText(`${A} h:1@2 myself,master,fail - 0 0 1 connected 0-16383`).version).toBe(1);
});

test('KD3b: what is larger than any cluster is refused before it is worked on', () => {
  const masterLine = (index: number, slots = '') =>
    `${String(index).padStart(40, 'a')} h:${index + 1}@2 master - 0 0 1 connected ${slots}`;
  const many = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => line(index)).join('\n');
  const pieces = many(200, (index) => masterLine(index, '0 2 4 6 8 '.repeat(20)));
  const bad: [string, RegExp][] = [
    [many(1001, masterLine), /1001 shards are too many, at most 1000/],
    [
      many(5001, (index) =>
        index === 0 ? masterLine(0) : masterLine(index).replace('master -', `slave ${A}`),
      ),
      /5001 nodes are too many/,
    ],
    [masterLine(0, '0 2 '.repeat(9000)), /owns slots it cannot own/],
    [`${masterLine(0)} \n${'x'.repeat(1024 * 1024)}`, /characters are too many/],
    [[masterLine(0), masterLine(1)].join('\n').replaceAll('master', 'myself,master'), /2 lines say "myself"/],
  ];
  for (const [text, why] of bad) {
    const result = parseClusterNodes(text);
    expect(result.ok, text.slice(0, 80)).toBe(false);
    if (!result.ok) expect(sentence(result.error)).toMatch(why);
  }
  expect(parseClusterNodes(pieces).ok).toBe(true);
  const ranges = many(20, (index) =>
    masterLine(index, Array.from({ length: 8192 }, (_, slot) => slot * 2).join(' ')),
  );
  expect(parseClusterNodes(ranges)).toMatchObject({ ok: false, error: { kind: 'invalidCount' } });
});

test('hostile text is refused with the line and the reason', () => {
  const good = `${A} h:1@2 master - 0 0 1 connected`;
  const bad: [string, RegExp][] = [
    ['', /at least one/],
    ['garbage', /line 1: "garbage" has too few fields/],
    [`${A} h:1@2 master - 0`, /too few fields/],
    ['abc h:1@2 master - 0 0 1 connected', /line 1, id/],
    [`${A} h:0@10000 master - 0 0 1 connected`, /line 1, address/],
    [`${A} h master - 0 0 1 connected`, /line 1, address: "h" is not host:port/],
    [`${A} h:1@2 myself - 0 0 1 connected`, /whether the node is a master or a slave/],
    [`${A} h:1@2 master,slave - 0 0 1 connected`, /whether the node is a master or a slave/],
    [`${A} h:1@2 master ${B} 0 0 1 connected`, /line of a master/],
    [`${A} h:1@2 slave - 0 0 1 connected`, /master id/],
    [`${A} h:1@2 master - 0 0 x connected`, /version/],
    [`${A} h:1@2 master - 0 0 9999999999999999 connected`, /version/],
    [`${good} 16384`, /out of range/],
    [`${good} 5-1`, /reversed/],
    [`${A} h:1@2 slave ${B} 0 0 1 connected 5`, /cannot own/],
    [`${good} ${'[1->-x] '.repeat(16_385)}`, /cannot own/],
    ['x'.repeat(1024 * 1024 + 1), /too many/],
  ];
  for (const [text, why] of bad) {
    const result = parseClusterNodes(text);
    expect(result.ok, text.slice(0, 80)).toBe(false);
    if (!result.ok) expect(sentence(result.error)).toMatch(why);
  }
});

test('lines that make no cluster are refused', () => {
  const master = `${A} h:1@2 master - 0 0 1 connected 0-16383`;
  const bad: [string, string][] = [
    [`${master}\n${B} h:2@2 master - 0 0 2 connected`, 'invalidCount'],
    [master.replace(' 0 0 1 ', ' 0 0 0 '), 'invalidCount'],
    [`${master}\n${B} h:2@2 master - 0 0 1 connected 7`, 'slotsOverlap'],
    [`${master}\n${B} h:1@2 master - 0 0 1 connected`, 'duplicateAddress'],
    [`${master}\n${A} h:2@2 master - 0 0 1 connected`, 'duplicateNodeId'],
    [`${master}\n${B} h:2@2 slave ${C} 0 0 1 connected`, 'invalidText'],
    [`${master}\n${B} h:2@2 slave ${B} 0 0 1 connected`, 'invalidText'],
    [`${B} h:2@2 slave ${C} 0 0 1 connected`, 'invalidText'],
  ];
  for (const [text, kind] of bad) {
    expect(clusterFromNodes(valueOf(parseClusterNodes(text)), plan)).toMatchObject({
      ok: false,
      error: { kind },
    });
  }
  expect(clusterFromNodes([], plan).ok).toBe(false);
});

test('a fingerprint is that of the topology, whoever tells it, when, and in what order', () => {
  fc.assert(
    fc.property(clusterArbitrary, fc.array(fc.nat(), { minLength: 1, maxLength: 20 }), (cluster, order) => {
      const own = (text: string, index: number): string => {
        const lines = text.trim().split('\n');
        const at = index % lines.length;
        lines[at] = `${(lines[at] ?? '').replace(/ (master|slave) /, ' myself,$1 ')} [5->-${C}]`;
        return lines.join('\r\n').replaceAll(' 1 2 ', ' 1795417817758 1795417817759 ');
      };
      const text = nodesText(cluster, order);
      expect(topologyFingerprint(own(text, order[0] ?? 0))).toBe(topologyFingerprint(nodesText(cluster)));
      expect(topologyFingerprint(text.replaceAll(' connected', ' connected 7'))).not.toBe(
        topologyFingerprint(text),
      );
      const raised = valueOf(clusterWithVersion(cluster, cluster.version + 1));
      expect(topologyFingerprint(nodesText(raised))).not.toBe(topologyFingerprint(text));
    }),
  );
});

test('the own line is found and read alone', () => {
  const text = `${A} h:1@2 master - 0 0 3 connected 5\n${B} h:2@2 myself,slave ${A} 0 0 3 connected`;
  expect(ownLine(text)).toMatchObject({ id: B, masterId: A, version: 3, isMyself: true });
  for (const other of ['', text.replace('myself,', ''), 'myself', `${A} myself:1@2 master - 0 0 3 connected`])
    expect(ownLine(other)).toBeNull();
});

test('no reply crashes the parser', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(fc.string(), fc.constantFrom(A, B, 'h:1@2', 'master', '-', '1', 'connected', '5-1', '0-9')),
      ),
      (words) => {
        const lines = parseClusterNodes(words.join(' '));
        if (lines.ok) clusterFromNodes(lines.value, plan);
        topologyFingerprint(words.join(' '));
        ownLine(words.join(' '));
      },
    ),
  );
});

test('the isolating text differs in one line: that replica is a master without slots, and every slot keeps its owner', () => {
  fc.assert(
    fc.property(clusterArbitrary, fc.nat(), (cluster, pick) => {
      const replicas = cluster.shards.flatMap(replicasOf);
      const replica = replicas[pick % Math.max(1, replicas.length)];
      fc.pre(replica !== undefined);
      if (replica === undefined) return;
      const usual = setNodesText(cluster).split('\n');
      const isolated = isolationText(cluster, replica.id).split('\n');
      const changed = isolated.filter((line, index) => line !== usual[index]);
      expect(changed).toHaveLength(1);
      expect(changed[0]).toMatch(new RegExp(`^${replica.id} \\S+ \\d+ master -$`));
      expect(isolated).toHaveLength(usual.length);
    }),
  );
});
