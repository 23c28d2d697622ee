// Joins the members' looks for each other to Raft: who is asked, and who answers.

import type { LookupFunction } from 'node:net';

import { WITNESS_LEVEL } from '../base/feature-level.ts';
import type { Panel } from '../control/evidence.ts';
import type { KvrocksClient } from '../kvrocks/client.ts';
import { probeDeadlineMs } from '../control/settings.ts';
import { allVoters } from '../raft/core/membership.ts';
import type { MemberId, Membership } from '../raft/core/types.ts';
import { parsePeerAddress } from '../raft/transport/peer-address.ts';
import type { NameResolver } from '../names/name-resolver.ts';
import type { Registry } from '../registry/registry.ts';
import { systemClock } from '../system/clock.ts';
import { allNodes } from '../topology/cluster.ts';
import { parseName } from '../topology/name.ts';
import { addressParts } from '../topology/node.ts';
import { type Peer, WitnessPanel } from '../witness/panel.ts';
import { BODY_BYTES_MAX, WITNESS_PATH } from '../witness/wire.ts';
import { NodeNames } from '../witness/node-names.ts';
import { Witness } from '../witness/witness.ts';
import type { Raft } from './raft.ts';

export interface WitnessParts {
  readonly raft: Raft;
  readonly self: MemberId;
  readonly lookup: LookupFunction;
  readonly featureLevel: () => number;
  readonly pingIntervalMs: () => number;
}

/** Answers from now on what other members ask; the client is for these looks alone. */
export function serveWitness({
  raft,
  registry,
  client,
}: {
  readonly raft: Raft;
  readonly registry: Registry;
  readonly client: KvrocksClient;
}): void {
  const witness = new Witness({
    findCluster: (namespace, cluster) => {
      const [inNamespace, name] = [parseName(namespace), parseName(cluster)];
      return inNamespace.ok && name.ok ? registry.getCluster(inNamespace.value, name.value) : null;
    },
    probe: (endpoint, deadlineMs) => client.probe(endpoint, deadlineMs),
    release: (address) => client.release(address),
    term: () => raft.driver.role.term,
    clusterId: raft.identity.clusterId,
  });
  raft.serve(WITNESS_PATH, { bytesMax: BODY_BYTES_MAX, answer: (body) => witness.answer(body) });
}

/** Milliseconds one look-up is waited for; it goes on behind that. */
const LOOKUP_DEADLINE_MS = 5000;

/** Knows the names of all recorded nodes, of spares and of the members from now on. Returns the way to stop. */
export function keepNames({ driver }: Raft, registry: Registry, names: NameResolver): () => void {
  const keeper = new NodeNames({
    clock: systemClock,
    hosts: () => [
      ...[...driver.membership.addresses.values()].flatMap(hostsOf),
      ...registry.allClusters().flatMap(({ namespace, cluster }) => {
        const spares = registry.policies.ofCluster({ namespace, cluster: cluster.name }).spares.nodes;
        const nodes = [...allNodes(cluster).map(({ node }) => node), ...spares];
        return nodes.map(({ address }) => addressParts(address).host);
      }),
    ],
    resolve: async (host) => (await names.addressesOf(host, LOOKUP_DEADLINE_MS)).ok,
  });
  const unwatch = registry.watch(() => keeper.refresh());
  keeper.refresh();
  return () => {
    unwatch();
    keeper.close();
  };
}

function hostsOf(peer: string): readonly string[] {
  const origin = parsePeerAddress(peer);
  return origin.ok ? [new URL(origin.value).hostname.replace(/^\[|\]$/g, '')] : [];
}

/** For the leadership of one term. */
export function witnessPanel(term: number, parts: WitnessParts): WitnessPanel {
  const { raft, self, lookup, featureLevel, pingIntervalMs } = parts;
  const { driver, identity } = raft;
  return new WitnessPanel({
    clock: systemClock,
    lookup,
    clusterId: identity.clusterId,
    term,
    panel: () => panelOf(driver.membership, self, featureLevel()),
    peers: () => peersOf(driver.membership, self),
    lookMs: () => probeDeadlineMs(pingIntervalMs()),
  });
}

/** Members of earlier releases cannot be asked: as long as there are such, the leader's own word decides, as it does for them. */
function panelOf({ voterSets }: Membership, self: MemberId, level: number): Panel {
  return { self, voters: level >= WITNESS_LEVEL ? voterSets : [[self]] };
}

function peersOf(membership: Membership, self: MemberId): readonly Peer[] {
  return allVoters(membership).flatMap((id): Peer[] => {
    const origin = parsePeerAddress(membership.addresses.get(id) ?? '');
    return id === self || !origin.ok ? [] : [{ id, origin: origin.value }];
  });
}
