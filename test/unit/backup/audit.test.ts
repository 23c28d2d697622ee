// What is found in a state, and that nothing is found in one that the registry made.

import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';

import { auditTask, type StateAudit } from '../../../src/backup/audit.ts';
import { encodeFeatureLevel } from '../../../src/store/feature-level.ts';
import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import { runTask } from '../../../src/base/task.ts';
import { addressKey, clusterKey, factsKey } from '../../../src/registry/keys.ts';
import { encodeClaim } from '../../../src/registry/record-codec.ts';
import type { StoreStateMachine } from '../../../src/store/state-machine.ts';
import type { StoredValue } from '../../../src/store/types.ts';
import { corruptedArbitrary } from '../registry/corruption.ts';
import { address, name } from '../registry/support.ts';
import { bytes, entry, memoryMachine, put } from '../store/support.ts';
import { apply, fullMachine } from './support.ts';

const C = { namespace: name('ns'), cluster: name('c') };
const D = { namespace: name('ns'), cluster: name('d') };
let sound: readonly StoredValue[];

beforeAll(async () => {
  sound = (await fullMachine()).list('');
});

/** A machine with these values, as no registry wrote them. */
function machineWith(values: readonly Pick<StoredValue, 'key' | 'value'>[]): StoreStateMachine {
  const machine = memoryMachine();
  apply(machine, { put: values });
  return machine;
}

function audited(machine: StoreStateMachine): StateAudit {
  const results: (StateAudit | Error)[] = [];
  const due: (() => void)[] = [];
  runTask(
    auditTask(machine, (callback) => due.push(callback)),
    (result) => results.push(result),
  );
  for (let next = due.shift(); next !== undefined; next = due.shift()) next();
  const [result] = results;
  if (result === undefined || result instanceof Error) throw new Error('no audit', { cause: result });
  return result;
}

/** What is found once `change` was made to a sound state. */
function findingsAfter(change: (machine: StoreStateMachine) => void): readonly string[] {
  const machine = machineWith(sound);
  change(machine);
  return audited(machine).findings.map(({ key, text }) => `${key}: ${text}`);
}

const valueAt = (key: string): Uint8Array => {
  const found = sound.find((stored) => stored.key === key);
  if (found === undefined) throw new Error(`nothing at ${key}`);
  return found.value;
};

describe('a state that the registry made', () => {
  it('has every kind of record, is counted, and nothing is found in it', () => {
    const kinds = new Set(sound.map(({ key }) => key.split('/')[0]));
    expect([...kinds]).toEqual([
      'address',
      'cluster',
      'departures',
      'event',
      'facts',
      'group',
      'namespace',
      'policy',
      'task',
      'webhook',
    ]);
    expect(audited(machineWith(sound))).toEqual({
      featureLevel: FEATURE_LEVEL,
      counts: { namespaces: 1, clusters: 2, shards: 2, nodes: 3, openTasks: 1, events: expect.any(Number) },
      newestEventAtMs: expect.any(Number),
      findings: [],
      findingCount: 0,
    });
  });

  it('of a group that never wrote anything is sound as well', () => {
    expect(audited(memoryMachine())).toMatchObject({
      featureLevel: 1,
      findingCount: 0,
      newestEventAtMs: null,
    });
  });
});

describe('what contradicts another record is found, with its key:', () => {
  it.each<[string, (machine: StoreStateMachine) => void, readonly unknown[]]>([
    [
      'a cluster without its namespace',
      (machine) => apply(machine, { remove: ['namespace/ns'] }),
      ['cluster/ns/c: there is no namespace ns', 'cluster/ns/d: there is no namespace ns'],
    ],
    [
      'an address that nobody claims',
      (machine) => apply(machine, { remove: [addressKey(address(7002))] }),
      ['cluster/ns/c: nobody claims 127.0.0.1:7002 for it'],
    ],
    [
      'an address that two clusters claim',
      (machine) => apply(machine, { put: [{ key: addressKey(address(7002)), value: encodeClaim(D) }] }),
      [
        'address/127.0.0.1:7002: it is claimed by ns/d, which has no such node or spare',
        'cluster/ns/c: 127.0.0.1:7002 is claimed by ns/d, too',
      ],
    ],
    [
      'a claim of a cluster that is gone',
      (machine) => apply(machine, { remove: [clusterKey(D), factsKey(D)] }),
      ['address/127.0.0.1:7011: it is claimed by ns/d, and there is no such cluster'],
    ],
    [
      'facts of another cluster',
      (machine) => apply(machine, { put: [{ key: factsKey(D), value: valueAt(factsKey(C)) }] }),
      [
        expect.stringMatching(/^facts\/ns\/d: they tell of node [0-9a-f]{40}, which its cluster has not$/),
        expect.stringMatching(/^facts\/ns\/d: they tell of node/),
      ],
    ],
    [
      'a task at another number than its own',
      (machine) =>
        apply(machine, { put: [{ key: 'task/ns/c/0000000009', value: valueAt('task/ns/c/0000000001') }] }),
      ['task/ns/c/0000000009: it lies at another key than it should'],
    ],
    [
      'a task without its cluster',
      (machine) =>
        apply(machine, { put: [{ key: 'task/ns/e/0000000001', value: valueAt('task/ns/c/0000000001') }] }),
      ['task/ns/e/0000000001: there is no cluster ns/e'],
    ],
    [
      'a record of another cluster',
      (machine) => apply(machine, { put: [{ key: clusterKey(D), value: valueAt(clusterKey(C)) }] }),
      ['cluster/ns/d: it cannot be read: the record is of another cluster'],
    ],
    [
      'a kind of record that this release does not know',
      (machine) => machine.apply([entry(machine.applied + 1, put(1, 'unheard/of', 'x'))]),
      ['unheard/of: this release knows no such record'],
    ],
    [
      'a feature level of a later release',
      (machine) => apply(machine, { put: [{ key: 'group/feature-level', value: encodeFeatureLevel(99) }] }),
      [expect.stringContaining('feature level 99')],
    ],
  ])('%s', (_, change, found) => {
    expect(findingsAfter(change)).toEqual(found);
  });

  it('no more than a hundred one by one, and all are counted', () => {
    const machine = machineWith(sound);
    const strays = Array.from({ length: 150 }, (_, index) => ({ key: `stray/${index}`, value: bytes('x') }));
    apply(machine, { put: strays });
    const { findings, findingCount } = audited(machine);
    expect([findings.length, findingCount]).toEqual([100, 150]);
  });
});

it('whatever a record holds is found and never thrown, and nothing of it is told', () => {
  fc.assert(
    fc.property(
      fc
        .nat(sound.length - 1)
        .chain((at) => fc.tuple(fc.constant(at), corruptedArbitrary(sound[at]?.value ?? new Uint8Array(1)))),
      ([at, value]) => {
        const changed = sound.map(({ key, value: own }, index) => ({
          key,
          value: index === at ? value : own,
        }));
        const { findings } = audited(machineWith(changed));
        expect(JSON.stringify(findings)).not.toContain('not-to-be-told');
      },
    ),
    { numRuns: 200 },
  );
});
