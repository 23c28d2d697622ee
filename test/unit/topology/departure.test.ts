// Who is remembered as having left, and in what a topology that a node holds differs from ours.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import { addNode, moveNode, removeNode, removeShard } from '../../../src/topology/change-nodes.ts';
import { moveSlots } from '../../../src/topology/change-slots.ts';
import { allNodes, clusterWithVersion } from '../../../src/topology/cluster.ts';
import { parseClusterNodes } from '../../../src/topology/cluster-nodes-text.ts';
import { differencesFrom, differenceText } from '../../../src/topology/compare.ts';
import {
  closed,
  cutOffsOf,
  type Departure,
  DEPARTURES_MAX,
  type Departures,
  departuresAfter,
  untold,
  withDeparture,
} from '../../../src/topology/departure.ts';
import { departureText, setNodesText } from '../../../src/topology/setnodes-text.ts';
import { NO_SLOTS, slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import type { Cluster, NodeId } from '../../../src/topology/types.ts';
import {
  address,
  changeArbitrary,
  NOW_SECONDS,
  nodeIdAt,
  sampleCluster,
  valueOf,
} from '../topology/arbitrary.ts';
import { nodesText } from './nodes-text.ts';

const CLUSTER = sampleCluster(2, 3);
const REPLICA = nodeIdAt(CLUSTER, 0, 1);

function after(known: Departures, before: Cluster, next: Cluster): Departures {
  return departuresAfter(known, { before, after: next, nowSeconds: NOW_SECONDS }).departures;
}

function left(id = REPLICA): Departures {
  return after([], CLUSTER, valueOf(removeNode(CLUSTER, 0, id)));
}

const CUT = {
  version: CLUSTER.version,
  before: { version: 1, role: 'replica', master: address(7000) },
} as const;

describe('what has left', () => {
  test('is remembered as it was, and whom it followed', () => {
    expect(left()).toEqual([
      {
        id: REPLICA,
        address: address(7001),
        password: Secret.none,
        role: 'replica',
        masterId: nodeIdAt(CLUSTER, 0, 0),
        leftAtSeconds: NOW_SECONDS,
        cutOff: null,
        toldAtSeconds: null,
      },
    ]);
  });

  test('with its shard is remembered, masters too', () => {
    const empty = valueOf(moveSlots(CLUSTER, { range: slotRange(8192, 16_383), targetIndex: 0 }));
    const roles = after([], empty, valueOf(removeShard(empty, 1))).map(({ role }) => role);
    expect(roles.toSorted()).toEqual(['master', 'replica', 'replica']);
  });

  test('and is back under its id need not be told; how it was cut off stays', () => {
    const without = valueOf(removeNode(CLUSTER, 0, REPLICA));
    const node = { id: REPLICA, address: address(7001), role: 'replica', password: Secret.none } as const;
    const back = valueOf(addNode(without, 0, { ...node, createdAtSeconds: 1 }));
    expect(after(left(), without, back)).toEqual([]);
    const cut = withDeparture(left(), REPLICA, (known) => ({ ...known, cutOff: CUT })) ?? [];
    const kept = after(cut, without, back);
    expect(kept).toMatchObject([{ id: REPLICA, cutOff: CUT, toldAtSeconds: NOW_SECONDS }]);
    expect(cutOffsOf(kept)).toEqual(new Map([[REPLICA, CUT]]));
    // It leaves once more: what it was before is of no use now.
    expect(after(kept, back, valueOf(removeNode(back, 0, REPLICA)))).toMatchObject([
      { id: REPLICA, cutOff: null, toldAtSeconds: null },
    ]);
  });

  test('and whose address another member has is nobody to tell', () => {
    const without = valueOf(removeNode(CLUSTER, 0, REPLICA));
    const id = 'e'.repeat(40) as NodeId;
    const node = { id, address: address(7001), role: 'replica', password: Secret.none } as const;
    expect(after(left(), without, valueOf(addNode(without, 1, { ...node, createdAtSeconds: 1 })))).toEqual(
      [],
    );
  });

  test('is not a node that only moved', () => {
    const moved = valueOf(moveNode(CLUSTER, 0, { id: REPLICA, address: address(7900) }));
    expect(after([], CLUSTER, moved)).toEqual([]);
  });

  test('stays the same object where nothing has changed', () => {
    const known = left();
    const raised = valueOf(clusterWithVersion(CLUSTER, 9));
    const without = valueOf(removeNode(raised, 0, REPLICA));
    expect(after(known, without, valueOf(clusterWithVersion(without, 20)))).toBe(known);
  });

  test('is bounded: those that have heard make room first, then the oldest, which is told', () => {
    const [one] = left();
    const many = Array.from({ length: DEPARTURES_MAX }, (_, index): Departure => {
      const departure = {
        ...one!,
        id: index.toString(16).padStart(40, '0') as NodeId,
        address: address(8000 + index),
      };
      return index === 5 ? closed(departure, 7) : departure;
    });
    const change = { before: CLUSTER, after: valueOf(removeNode(CLUSTER, 0, REPLICA)), nowSeconds: 1 };
    const first = departuresAfter(many, change);
    expect(first.forgotten).toEqual([]);
    expect(first.departures).toHaveLength(DEPARTURES_MAX);
    expect(first.departures).not.toContain(many[5]);
    const second = departuresAfter(untold(many).concat({ ...many[5]!, toldAtSeconds: null }), change);
    expect(second.forgotten).toEqual([many[0]]);
    expect(second.departures).toHaveLength(DEPARTURES_MAX);
  });

  test('never has a member to be told, whatever is changed', () => {
    fc.assert(
      fc.property(fc.array(changeArbitrary, { maxLength: 30 }), (changes) => {
        let cluster = sampleCluster(2, 2);
        let departures: Departures = [];
        for (const { apply } of changes) {
          const next = apply(cluster);
          if (!next.ok) continue;
          const gone = allNodes(cluster).filter(
            ({ node }) => !allNodes(next.value).some((place) => place.node.id === node.id),
          );
          departures = after(departures, cluster, next.value);
          cluster = next.value;
          const members = allNodes(cluster).map(({ node }) => node);
          for (const { id, address: where } of untold(departures))
            expect(members.some((node) => node.id === id || node.address === where)).toBe(false);
          for (const { node } of gone)
            if (!members.some((member) => member.address === node.address))
              expect(untold(departures).map(({ id }) => id)).toContain(node.id);
        }
      }),
    );
  });

  test('is told a text in which it is a master without slots', () => {
    const without = valueOf(removeNode(CLUSTER, 0, REPLICA));
    const text = departureText(without, left()[0]!);
    expect(text).toBe(`${setNodesText(without)}\n${REPLICA} 127.0.0.1 7001 master -`);
  });
});

describe('a topology that a node holds', () => {
  const lines = valueOf(parseClusterNodes(nodesText(CLUSTER)));

  test('differs in nothing where only its version does', () => {
    const other = valueOf(parseClusterNodes(nodesText(valueOf(clusterWithVersion(CLUSTER, 77)), [3, 1, 2])));
    expect(differencesFrom(CLUSTER, other)).toEqual([]);
    expect(differenceText([])).toBe('the same content as ours under another number');
  });

  test('is told with its members, roles, slots and addresses that differ', () => {
    const master = nodeIdAt(CLUSTER, 0, 0);
    const changed = lines.flatMap((line) => {
      if (line.id === REPLICA)
        return [{ ...line, role: 'master' as const, masterId: null, slots: lines[0]!.slots }];
      if (line.id === master)
        return [{ ...line, role: 'replica' as const, masterId: REPLICA, slots: NO_SLOTS }];
      if (line.id === nodeIdAt(CLUSTER, 1, 1)) return [{ ...line, address: address(9000) }];
      if (line.id === nodeIdAt(CLUSTER, 1, 0))
        return [{ ...line, slots: slotSetOf([slotRange(8192, 9000)]) }];
      return line.id === nodeIdAt(CLUSTER, 1, 2) ? [{ ...line, id: 'd'.repeat(40) as NodeId }] : [line];
    });
    const differences = differencesFrom(CLUSTER, changed);
    const text = differences.join('\n');
    expect(text).toContain(`dddddddd at 127.0.0.1:7005 is in it and none of ours`);
    expect(text).toContain(`${nodeIdAt(CLUSTER, 1, 2).slice(0, 8)} at 127.0.0.1:7005 is not in it`);
    expect(text).toContain(
      `${REPLICA.slice(0, 8)} is a master instead of a replica of ${master.slice(0, 8)}`,
    );
    expect(text).toContain('shard 1 lacks slots 9001-16383');
    expect(text).toContain('is at 127.0.0.1:9000 instead of 127.0.0.1:7004');
    // That another node of the shard is its master is told as such, and not as slots that are elsewhere.
    expect(text).not.toContain('shard 0');
    expect(differenceText(differences)).toMatch(/^another content than ours: .*, and \d more$/);
  });
});
