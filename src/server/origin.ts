// Which group a data directory belongs to, or is to belong to: founded with others, joined, or recorded earlier.

import type { Logger } from '../base/logger.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Config } from '../config/config.ts';
import { foundingClusterId, type ClusterId } from '../raft/cluster-id.ts';
import { foundingMembership, otherMembers } from '../raft/core/membership.ts';
import {
  logIndex,
  memberId,
  term,
  type MemberId,
  type Membership,
  type SnapshotMeta,
} from '../raft/core/types.ts';
import { fetchIdentity, type IdentityParts, type PeerIdentity } from '../raft/transport/identity-client.ts';
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

export interface OriginParts extends IdentityParts {
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
    ask: (address) => askIdentity(address, parts),
    ...parts,
  });
  return learnt === null || !learnt.ok ? learnt : ok(origin(learnt.value, NOBODY));
}

/** Who listens at `address`, `host:port`; the error says why that is not known. Never rejects. */
export async function askIdentity(
  address: string,
  parts: IdentityParts,
): Promise<Result<PeerIdentity, string>> {
  const peer = parsePeerAddress(address);
  return peer.ok ? fetchIdentity(peer.value, IDENTITY_DEADLINE_MS, parts) : peer;
}

function origin(clusterId: ClusterId, membership: Membership): Origin {
  return { clusterId, initialBase: { index: logIndex(0), term: term(0), membership } };
}

function numbered(peers: readonly string[]): ReadonlyMap<MemberId, string> {
  return new Map(peers.map((address, position) => [memberId(position + 1), address]));
}

/** What a data directory knows of its group. */
export interface RecordedGroup {
  readonly clusterId: ClusterId;
  readonly membership: Membership;
  /** Its log has a first entry. */
  readonly isFounded: boolean;
}

/**
 * Whether a configuration that founds a group can be meant for a directory that belongs to another; the error is for people.
 * Lists grow and shrink after the founding, so any member in common is enough; and a member that founded a group alone and has
 * moved since is told so by `checkOwnAddress`.
 */
export function checkFoundingPeers({ raft }: Config, recorded: RecordedGroup): Result<void, string> {
  const { clusterId, membership, isFounded } = recorded;
  if (raft.clusterState !== 'new' || clusterId === foundingClusterId(raft.peers)) return ok(undefined);
  if (!isFounded) {
    return err(
      `data directory ${raft.dataDir}: it waits for a group to be founded with other raft.peers; restore them, or, as this member has promised nothing yet, remove the directory`,
    );
  }
  const members = [...membership.addresses.values()];
  const isMovedFounder = raft.peers.length === 1 && membership.addresses.has(memberId(raft.id));
  if (isMovedFounder || members.length === 0 || raft.peers.some((peer) => members.includes(peer)))
    return ok(undefined);
  return err(
    `data directory ${raft.dataDir}: it belongs to another group, whose members are ${members.join(', ')}; correct raft.data_dir or raft.peers`,
  );
}

/**
 * Whether others can find this member: they go by the recorded address, and no change of the members ever alters one, so a
 * member elsewhere is lost to them, and one that is alone could never grow. The error is for people.
 */
export function checkOwnAddress(
  { raft, advertiseAddress }: Config,
  { membership }: Pick<RecordedGroup, 'membership'>,
): Result<void, string> {
  const self = memberId(raft.id);
  const recorded = membership.addresses.get(self);
  if (recorded === undefined || recorded === advertiseAddress) return ok(undefined);
  const mend =
    otherMembers(membership, self).length === 0
      ? 'to move it, take a backup of it then, and start that at the new address with --restore and an empty data directory'
      : `to move it, add it at the new address under a number that was never used, with an empty data directory and raft.cluster_state: existing, and remove member ${self} once the new one is a voter`;
  return err(
    `data directory ${raft.dataDir}: its group knows member ${self} at ${recorded}, but advertise_addr is ${advertiseAddress}, where the others would not look for it; ` +
      `correct raft.data_dir, or start it with advertise_addr: "${recorded}" (addr, where it listens, may differ); ${mend}`,
  );
}

/**
 * What threatens a group whose configuration founds one of this member alone: nobody else is needed for that, so on an
 * emptied disk it would be done again, under the name of the group that others have joined meanwhile. Said while it can
 * still be prevented; null when there is nothing to say.
 */
export function loneFounderRisk(
  { raft }: Config,
  { membership, isFounded }: Pick<RecordedGroup, 'membership' | 'isFounded'>,
): string | null {
  if (raft.clusterState !== 'new' || raft.peers.length > 1) return null;
  const others = otherMembers(membership, memberId(raft.id)).flatMap(
    (id) => membership.addresses.get(id) ?? [],
  );
  if (isFounded && others.length === 0) return null;
  const mend =
    others.length === 0
      ? 'once others have joined, set raft.cluster_state: existing here and name them in raft.peers'
      : `others have joined, so set raft.cluster_state: existing here and raft.peers: ${JSON.stringify(others)}`;
  return `this configuration founds a group of this member alone; ${mend}: on an emptied disk it would found the same group a second time`;
}
