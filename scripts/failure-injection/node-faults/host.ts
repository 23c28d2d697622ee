// A host that dies with all masters and replicas on it.

import { killMaster, startAgain } from '../hostile-operator/deaths.ts';
import { membersOf, type ShardSeen } from '../hostile-operator/fleet-seen.ts';
import { excuseAfterReturn, excuseBefore } from '../hostile-operator/verdicts.ts';
import type { Around, Finding, NodeFault } from './node-fault.ts';
import {
  clusterNow,
  type Replacement,
  timeOf,
  unwantedChanges,
  untilReplaced,
  untilWritten,
} from './parts.ts';

/** Shards of two: masters on 0, 0, 1 and 0; the last has both nodes on one host. */
const HOSTS = [0, 1, 0, 2, 1, 0, 0, 0];
/** For what comes only when everything seems to be over. */
const AFTERMATH_MS = 1500;

/** What is on a host, and what has to be done about it. */
export interface HostLoad {
  readonly host: number;
  /** Addresses of all nodes there, masters first. */
  readonly nodes: readonly string[];
  readonly masters: readonly string[];
  /** Shards whose master is there and which have a replica elsewhere. */
  readonly replaceable: readonly ShardSeen[];
}

/** The host with most masters that can be replaced. */
export function heaviestHost(shards: readonly ShardSeen[], hostOf: (address: string) => number): HostLoad {
  const addresses = shards.flatMap(membersOf).map(({ address }) => address);
  const loads = [...new Set(addresses.map((address) => hostOf(address)))].map((host): HostLoad => {
    const isHere = ({ address }: { readonly address: string }): boolean => hostOf(address) === host;
    const masters = shards.flatMap(({ master }) => (isHere(master) ? [master.address] : []));
    const replicas = shards.flatMap((shard) => shard.replicas.filter(isHere).map(({ address }) => address));
    return {
      host,
      nodes: [...masters, ...replicas],
      masters,
      replaceable: shards.filter(
        ({ master, replicas: all }) => isHere(master) && all.some((replica) => !isHere(replica)),
      ),
    };
  });
  return loads.reduce((best, load) => (load.replaceable.length > best.replaceable.length ? load : best));
}

export const nodeHost: NodeFault = {
  name: 'node-host',
  summary: 'a host with several masters and replicas dies: all its processes at once, or its cable (root)',
  expected: 'each master with a replica elsewhere is replaced, the others come back',
  needsNetwork: false,
  nodesPerShard: 2,
  hosts: HOSTS,
  failover: { pingIntervalSeconds: 0.5, maxPingCount: 8, coolDownSeconds: 0 },
  async round(around): Promise<Finding> {
    const isCut = around.site.hasNetwork && around.round % 2 === 1;
    const { shards } = await clusterNow(around);
    const load = heaviestHost(shards, (address) => HOSTS[around.fleet.addresses.indexOf(address)] ?? 0);
    const words = `${load.nodes.length} nodes, ${load.masters.length} of them masters`;
    around.note(`${isCut ? 'the cable' : 'kill -9'} of ${words}`);
    const atMs = around.now();
    await (isCut ? unplug(load, around) : killAll(load, around));
    const replacements = new Map<string, Replacement>();
    await Promise.all(
      load.replaceable.map(async (shard) =>
        replacements.set(shard.master.address, await untilReplaced(shard, around)),
      ),
    );
    const writtenMs = await Promise.all(
      [...replacements.values()].map(async ({ successor }) => untilWritten(successor, atMs, around)),
    );
    await around.wait(AFTERMATH_MS);
    const backAtMs = around.now();
    if (isCut) await plug(load, around);
    else for (const address of load.nodes) await startAgain(address, false, around);
    await around.wait(AFTERMATH_MS);
    const way = isCut ? 'cable' : 'kill -9';
    const all = [...replacements.values()];
    return {
      outcomes: all.flatMap(({ successor }) => (successor === null ? [] : [`replaced (${way})`])),
      complaints: [
        ...all.flatMap(({ complaints }) => complaints),
        ...unwantedChanges(atMs, around, (index) =>
          load.replaceable.some((shard) => shard.index === index) ? 1 : 0,
        ),
      ],
      faults: load.masters.map((node) => ({
        kind: isCut ? 'cut' : 'death',
        node,
        atMs,
        replacedAtMs: replacements.get(node)?.seenAtMs ?? null,
        backAtMs,
      })),
      times: writtenMs.flatMap((ms) => timeOf(`${way}: first write at a new master after`, ms)),
    };
  },
};

async function killAll({ nodes, masters }: HostLoad, around: Around): Promise<void> {
  await Promise.all(
    nodes.map(async (address) =>
      masters.includes(address) ? killMaster(address, 'death', around) : around.fleet.at(address).kill(),
    ),
  );
}

async function unplug({ nodes, masters }: HostLoad, around: Around): Promise<void> {
  const fromMs = around.now();
  const [first = ''] = nodes;
  await around.site.unplug(around.fleet.at(first).host);
  for (const address of masters) around.excuse(excuseBefore('cut', address, { fromMs, toMs: around.now() }));
}

/** A replaced master takes writes until it is told. */
async function plug({ masters }: HostLoad, around: Around): Promise<void> {
  const beforeMs = around.now();
  await around.site.heal();
  for (const address of masters)
    around.excuse({ ...excuseAfterReturn(address, around.now()), fromMs: beforeMs });
}
