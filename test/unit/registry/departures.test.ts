// What has left a cluster, as records: written by whatever change it leaves by, read back as it was, gone with its cluster.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import { decodeDepartures, encodeDepartures } from '../../../src/registry/departure-codec.ts';
import { departuresKey } from '../../../src/registry/keys.ts';
import type { RegistryChange } from '../../../src/registry/types.ts';
import { UnreadableRecordError } from '../../../src/registry/unreadable-record.ts';
import { addNode, removeNode } from '../../../src/topology/change-nodes.ts';
import { parseClusterVersion } from '../../../src/topology/cluster.ts';
import { closed, type Departure, DEPARTURES_MAX, withDeparture } from '../../../src/topology/departure.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import type { NodeId, NodeRole } from '../../../src/topology/types.ts';
import { corruptedArbitrary } from './corruption.ts';
import { address, cluster, name, scene, valueOf } from './support.ts';

const DONE = { ok: true, value: undefined };
const ns = name('ns');
const PLACE = { namespace: ns, cluster: name('c') };
const EVENT = { kind: 'nodeDetached', text: 'it has left' } as const;
const TOLD = { actor: 'controller', drafts: [EVENT] } as const;

const addressArbitrary = fc.integer({ min: 1, max: 65_535 }).map((port) => address(port));
const idArbitrary = fc.stringMatching(/^[0-9a-f]{40}$/).map((id) => id as NodeId);
const roleArbitrary = fc.constantFrom<NodeRole[]>('master', 'replica');
const departureArbitrary: fc.Arbitrary<Departure> = fc.record({
  id: idArbitrary,
  address: addressArbitrary,
  password: fc.string().map((text) => new Secret(text)),
  role: roleArbitrary,
  masterId: idArbitrary,
  leftAtSeconds: fc.nat(),
  cutOff: fc.option(
    fc.record({
      version: fc.integer({ min: 1, max: 2 ** 40 }).map((version) => valueOf(parseClusterVersion(version))),
      before: fc.record({ version: fc.nat(), role: roleArbitrary, master: fc.option(addressArbitrary) }),
    }),
  ),
  toldAtSeconds: fc.option(fc.nat()),
});
const departuresArbitrary = fc.array(departureArbitrary, { maxLength: 5 });

async function withCluster(): Promise<ReturnType<typeof scene>> {
  const made = scene();
  await made.registry.createNamespace(ns);
  await made.registry.createCluster(ns, cluster('c', [7001, 7002, 7003], 'secret'));
  return made;
}

type Made = Awaited<ReturnType<typeof withCluster>>;

function recordOf({ registry }: Made): ClusterRecord {
  const record = registry.getCluster(ns, name('c'));
  if (record === null) throw new Error('no cluster');
  return record;
}

/** Replica `index` leaves. */
async function leave(made: Made, index: number): Promise<NodeId> {
  const record = recordOf(made);
  const { id } = record.cluster.shards[0]!.nodes[index]!;
  expect(await made.registry.replaceCluster(record, valueOf(removeNode(record.cluster, 0, id)))).toEqual(
    DONE,
  );
  return id;
}

describe('records of what has left', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(departuresArbitrary, (departures) => {
        expect(decodeDepartures({ key: 'k', value: encodeDepartures(departures) })).toEqual(departures);
      }),
    );
  });

  it('that are damaged in any way are refused or tell of something else, and nothing else is ever thrown', () => {
    fc.assert(
      fc.property(
        departuresArbitrary.chain((departures) => corruptedArbitrary(encodeDepartures(departures))),
        (value) => {
          try {
            decodeDepartures({ key: 'k', value });
          } catch (error) {
            expect(error).toBeInstanceOf(UnreadableRecordError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('what leaves a cluster', () => {
  it('KD11: is written down in the transaction of the change, with what it is asked with, and wakes who watches', async () => {
    const made = await withCluster();
    const heard: RegistryChange[] = [];
    made.registry.watch((change) => heard.push(change));
    const id = await leave(made, 1);
    expect(made.registry.departures.ofCluster(PLACE)).toMatchObject([
      { id, address: address(7002), role: 'replica', cutOff: null, toldAtSeconds: null },
    ]);
    expect(made.registry.departures.ofCluster(PLACE)[0]?.password.reveal()).toBe('secret');
    expect(made.registry.departures.ofCluster(PLACE)).toBe(made.registry.departures.ofCluster(PLACE));
    heard.length = 0;
    const outcome = await made.registry.departures.change(
      PLACE,
      (present) => withDeparture(present, id, (known) => closed(known, 9)),
      { term: 1, events: TOLD },
    );
    expect(outcome).toEqual(DONE);
    expect(heard).toEqual([{ kind: 'clusters', clusters: [PLACE] }]);
    expect(made.registry.departures.ofCluster(PLACE)).toMatchObject([{ id, toldAtSeconds: 9 }]);
    const { events } = made.registry.events.page({
      place: PLACE,
      cursor: null,
      limit: 9,
      isWanted: () => true,
    });
    expect(events).toMatchObject([{ kind: 'nodeDetached', actor: 'controller' }]);
  });

  it('KD11: is not written down, nor told of, before all members know it', async () => {
    const made = await withCluster();
    made.level.current = 4;
    const id = await leave(made, 1);
    expect(made.store.get(departuresKey(PLACE))).toBeNull();
    const record = recordOf(made);
    const drafts = [{ kind: 'syncRequested', text: 'again', node: id }] as const;
    expect(
      await made.registry.replaceCluster(record, record.cluster, { events: { actor: 'api', drafts } }),
    ).toEqual(DONE);
    const page = made.registry.events.page({ place: PLACE, cursor: null, limit: 9, isWanted: () => true });
    expect(page.events).toEqual([]);
    made.level.current = 5;
    await leave(made, 1);
    expect(made.registry.departures.ofCluster(PLACE)).toHaveLength(1);
  });

  it('KD11: and comes back is no departure any more, and goes with its cluster', async () => {
    const made = await withCluster();
    const id = await leave(made, 1);
    await leave(made, 1);
    const record = recordOf(made);
    const node = {
      id,
      address: address(7002),
      role: 'replica',
      password: Secret.none,
      createdAtSeconds: 1,
    } as const;
    expect(await made.registry.replaceCluster(record, valueOf(addNode(record.cluster, 0, node)))).toEqual(
      DONE,
    );
    expect(made.registry.departures.ofCluster(PLACE).map((left) => left.address)).toEqual([address(7003)]);
    expect(await made.registry.deleteCluster(recordOf(made))).toEqual(DONE);
    expect(made.store.get(departuresKey(PLACE))).toBeNull();
  });

  it('KD11: and was never told makes room with an event when very many have left', async () => {
    const made = scene();
    await made.registry.createNamespace(ns);
    const ports = Array.from({ length: DEPARTURES_MAX + 3 }, (_, index) => 7001 + index);
    await made.registry.createCluster(ns, cluster('c', ports));
    for (let count = 0; count <= DEPARTURES_MAX; count += 1) await leave(made, 1);
    expect(made.registry.departures.ofCluster(PLACE)).toHaveLength(DEPARTURES_MAX);
    const { events } = made.registry.events.page({
      place: PLACE,
      cursor: null,
      limit: 9,
      isWanted: () => true,
    });
    expect(events).toMatchObject([
      { kind: 'departureForgotten', text: expect.stringContaining('127.0.0.1:7002 was never told') },
    ]);
  });

  it('KD11: is changed by who leads the term only, and not where there is nothing to change', async () => {
    const made = await withCluster();
    const id = await leave(made, 1);
    const forget = { term: 2, events: TOLD };
    const outcome = await made.registry.departures.change(
      PLACE,
      (present) => withDeparture(present, id, () => null),
      forget,
    );
    expect(outcome).toEqual({ ok: false, error: { kind: 'notLeader' } });
    const missing = { ok: false, error: { kind: 'missing' } };
    const nobody = (): null => null;
    expect(await made.registry.departures.change(PLACE, nobody, { events: TOLD })).toEqual(missing);
    const elsewhere = { ...PLACE, cluster: name('d') };
    expect(await made.registry.departures.change(elsewhere, () => [], { events: TOLD })).toEqual(missing);
    expect(made.registry.departures.ofCluster(PLACE)).toHaveLength(1);
  });
});
