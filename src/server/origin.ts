// Which group a data directory belongs to, or is to belong to: founded with others, joined, or recorded earlier.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Config } from '../config/config.ts';
import { foundingClusterId, type ClusterId } from '../raft/cluster-id.ts';
import { allMembers, foundingMembership } from '../raft/core/membership.ts';
import {
  logIndex,
  memberId,
  term,
  type MemberId,
  type Membership,
  type SnapshotMeta,
} from '../raft/core/types.ts';
import { fetchIdentity, type PeerIdentity } from '../raft/transport/identity-client.ts';
import { parsePeerAddress } from '../raft/transport/peer-address.ts';
import { readIdentity } from '../raft/wal/identity.ts';
import { nodeFileSystem } from '../raft/wal/node-file-system.ts';
import { taskPromise } from '../raft/wal/task.ts';
import { learnCluster } from './join.ts';

/** Milliseconds to wait for an answer of another member about who it is. */
const IDENTITY_DEADLINE_MS = 1000;

/** What the log starts from when it does not exist yet; a directory that is in use keeps its own. */
export interface Origin {
  readonly clusterId: ClusterId;
  readonly initialBase: SnapshotMeta;
}

export interface OriginParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onWaiting: (reason: string) => void;
  readonly abandoned: AbortSignal;
}

/** Nobody votes in it: a member that joins waits for the leader of its group to tell it who does. */
const NOBODY: Membership = {
  voterSets: [[]],
  learners: [],
  addresses: new Map(),
  incarnations: new Map(),
  removed: [],
};

/**
 * Asks other members only where the configuration says to join and nothing is recorded. Null when that was abandoned; the
 * error is for people. Throws `IdentityRefused` for a directory that is not this member's or may not start again.
 */
export async function findOrigin(
  { raft, advertiseAddress }: Config,
  parts: OriginParts,
): Promise<Result<Origin, string> | null> {
  const self = memberId(raft.id);
  const recorded = await taskPromise(
    readIdentity(nodeFileSystem, raft.dataDir, { memberId: self, clusterId: null }),
  );
  if (recorded?.state === 'ready') return ok(origin(recorded.clusterId, NOBODY));
  if (raft.clusterState === 'new')
    return ok(origin(foundingClusterId(raft.peers), foundingMembership(numbered(raft.peers))));
  const learnt = await learnCluster({
    contacts: raft.peers.filter((peer) => peer !== advertiseAddress),
    self,
    ask: (address) => askIdentity(address, parts.clock),
    ...parts,
  });
  return learnt === null || !learnt.ok ? learnt : ok(origin(learnt.value, NOBODY));
}

/** Who listens at `address`, `host:port`; the error says why that is not known. Never rejects. */
export async function askIdentity(address: string, clock: Clock): Promise<Result<PeerIdentity, string>> {
  const peer = parsePeerAddress(address);
  return peer.ok ? fetchIdentity(peer.value, IDENTITY_DEADLINE_MS, clock) : peer;
}

function origin(clusterId: ClusterId, membership: Membership): Origin {
  return { clusterId, initialBase: { index: logIndex(0), term: term(0), membership } };
}

function numbered(peers: readonly string[]): ReadonlyMap<MemberId, string> {
  return new Map(peers.map((address, position) => [memberId(position + 1), address]));
}

/**
 * Whether a configuration that founds a group can be meant for a directory that belongs to `clusterId`; the error is for
 * people. Lists grow and shrink after the founding, so any member in common is enough; and a member that is alone may move.
 */
export function checkFoundingPeers(
  { raft, advertiseAddress }: Config,
  recorded: { readonly clusterId: ClusterId; readonly membership: Membership; readonly isFounded: boolean },
): Result<void, string> {
  const { clusterId, membership, isFounded } = recorded;
  if (raft.clusterState !== 'new' || clusterId === foundingClusterId(raft.peers)) return ok(undefined);
  if (!isFounded) {
    return err(
      `data directory ${raft.dataDir}: it waits for a group to be founded with other raft.peers; restore them, or, as this member has promised nothing yet, remove the directory`,
    );
  }
  const members = [...membership.addresses.values()];
  const isAlone =
    allMembers(membership).length === 1 && raft.peers.every((peer) => peer === advertiseAddress);
  if (isAlone || members.length === 0 || raft.peers.some((peer) => members.includes(peer)))
    return ok(undefined);
  return err(
    `data directory ${raft.dataDir}: it belongs to another group, whose members are ${members.join(', ')}; correct raft.data_dir or raft.peers`,
  );
}
