// A state with every kind of record, made by the registry itself, and backups of it.

import { encodeFeatureLevel, FEATURE_LEVEL_KEY } from '../../../src/store/feature-level.ts';
import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import { Secret } from '../../../src/base/secret.ts';
import { backupFile } from '../../../src/raft/snapshot/backup.ts';
import { logIndex, term } from '../../../src/raft/core/types.ts';
import { encodeDepartures } from '../../../src/registry/departure-codec.ts';
import { departuresKey } from '../../../src/registry/keys.ts';
import type { StoreStateMachine } from '../../../src/store/state-machine.ts';
import type { Transaction } from '../../../src/store/types.ts';
import { allNodes } from '../../../src/topology/cluster.ts';
import { slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import { addTask } from '../../../src/topology/task.ts';
import type { ShardId } from '../../../src/topology/types.ts';
import { membership } from '../../support/raft-core/builders.ts';
import { address, cluster, name, scene, valueOf } from '../registry/support.ts';
import { entry, transaction } from '../store/support.ts';

export const PASSWORD = 'not-to-be-told';
const ns = name('ns');
const PLACE = { namespace: ns, cluster: name('c') };

/** One of every kind of record: two clusters, a spare, a departure, an open task, a webhook, events. */
export async function fullMachine(): Promise<StoreStateMachine> {
  const { registry, group } = scene();
  const { machine } = group;
  apply(machine, { put: [{ key: FEATURE_LEVEL_KEY, value: encodeFeatureLevel(FEATURE_LEVEL) }] });
  valueOf(await registry.createNamespace(ns));
  valueOf(await registry.createCluster(ns, cluster('c', [7001, 7002], PASSWORD)));
  valueOf(await registry.createCluster(ns, cluster('d', [7011])));
  const spare = { address: address(7009), password: new Secret(PASSWORD), zone: '', lost: null };
  const event = { kind: 'sparesChanged', text: 'a spare' } as const;
  valueOf(
    await registry.policies.changeCluster(
      PLACE,
      (policy) => ({ ...policy, spares: { ...policy.spares, nodes: [spare] } }),
      event,
    ),
  );
  const record = registry.getCluster(ns, name('c'));
  if (record === null) throw new Error('no cluster');
  const before = registry.tasks.ofCluster(PLACE);
  const moves = [{ source: 1 as ShardId, target: 2 as ShardId, slots: slotSetOf([slotRange(1, 1)]) }];
  const { book } = addTask(before, { kind: 'migrate', actor: 'api', moves, batch: 1, nowSeconds: 1 });
  valueOf(await registry.replaceCluster(record, record.cluster, { tasks: { before, after: book } }));
  const webhook = {
    name: 'hook',
    url: new Secret(PASSWORD),
    secret: new Secret(PASSWORD),
    severity: 'info',
  } as const;
  valueOf(await registry.policies.setWebhooks(() => [webhook], { kind: 'webhooksChanged', text: 'a hook' }));
  const [first] = allNodes(record.cluster);
  if (first === undefined) throw new Error('no node');
  const { id } = first.node;
  const gone = {
    id,
    address: address(7003),
    password: new Secret(PASSWORD),
    role: 'replica',
    masterId: id,
  } as const;
  const departure = { ...gone, leftAtSeconds: 1, cutOff: null, toldAtSeconds: null };
  apply(machine, { put: [{ key: departuresKey(PLACE), value: encodeDepartures([departure]) }] });
  return machine;
}

let transactions = 1_000_000;

/** Changes the state as no registry would. */
export function apply(machine: StoreStateMachine, change: Partial<Transaction>): void {
  transactions += 1;
  machine.apply([entry(machine.applied + 1, transaction(transactions, change))]);
}

export function backupOf(machine: StoreStateMachine): Buffer {
  const { index, chunks } = machine.snapshot();
  const meta = { index: logIndex(index), term: term(3), membership: membership([1, 2], [4]) };
  return Buffer.concat([...backupFile(meta, chunks)]);
}
