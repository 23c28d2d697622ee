// How many more voters may fail: what a leader can say of its group.

import type { DriverStatus } from '../raft/status.ts';

/**
 * Voters that are heard beyond a majority, of the voter set that has the fewest. Null on a member that does not lead: followers do not hear each
 * other. `awayMs`: milliseconds without a word after which a member counts as failed.
 */
export function toleranceOf(
  { id, role, membership, peers }: Pick<DriverStatus, 'id' | 'role' | 'membership' | 'peers'>,
  awayMs: number,
): number | null {
  if (role !== 'leader') return null;
  const heard = new Set<number>([id]);
  for (const peer of peers)
    if (peer.lastContactMs !== null && peer.lastContactMs < awayMs) heard.add(peer.id);
  const sets = membership.outgoing === null ? [membership.voters] : [membership.voters, membership.outgoing];
  const spare = sets.map((voters) => {
    const majority = Math.floor(voters.length / 2) + 1;
    return voters.filter((voter) => heard.has(voter)).length - majority;
  });
  return Math.max(0, Math.min(...spare));
}
