// One look at a spare: what it says of itself, and whether it is a node of its cluster, or another spare, under a second name.

import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { err } from '../base/result.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import { type SpareLook, type SpareStanding, spareStanding } from '../control/spare-memory.ts';
import { newNodeId } from '../topology/node.ts';
import type { Spare } from '../topology/spares.ts';
import type { NodeClient } from './ports.ts';

/** Milliseconds for the questions about the spare itself. */
const INSPECT_DEADLINE_MS = 2_000;

/** Milliseconds in which it is told apart from all others. */
const COMPARE_DEADLINE_MS = 3_000;

interface Parts {
  readonly client: NodeClient;
  readonly clock: Clock;
  readonly random: Random;
}

/** `others`: whom it is told apart from; null where it is only watched. Never rejects, and changes nothing at any node. */
export async function lookAtSpare(
  parts: Parts,
  spare: Spare,
  others: readonly NodeEndpoint[] | null,
): Promise<SpareLook> {
  const { client, clock, random } = parts;
  const twin = others === null ? null : await twinOf(parts, spare, others);
  // Last: that it is empty has to be the newest that is known of it.
  const startedAtMs = clock.monotonicMs();
  const standing = twin ?? spareStanding(spare.address, await client.inspect(spare, INSPECT_DEADLINE_MS));
  const { address, password } = spare;
  return {
    address,
    password,
    standing,
    isToldApart: others !== null,
    id: newNodeId(random),
    startedAtMs,
    endedAtMs: clock.monotonicMs(),
  };
}

/** Why it cannot be told apart from somebody else here; null when it can. */
async function twinOf(
  { client, random }: Parts,
  spare: Spare,
  others: readonly NodeEndpoint[],
): Promise<SpareStanding | null> {
  const { groups, failures } = await client.sameProcess([spare, ...others], random, COMPARE_DEADLINE_MS);
  const failure = failures.get(spare.address);
  if (failure !== undefined) return spareStanding(spare.address, err(failure));
  const group = groups.find((addresses) => addresses.includes(spare.address)) ?? [];
  const other = group.find((address) => address !== spare.address);
  if (other === undefined) return null;
  return {
    kind: 'otherName',
    why: `it is another name of ${other}; one process is one node, take it off the list`,
  };
}
