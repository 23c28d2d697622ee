// 100,000 keys that nobody changes, in slots that move again and again; and whether they, and all slots, are where they belong.

import { SLOT_COUNT, slotOfKey } from '../../../test/kvrocks-simulator/slots.ts';
import { RespClient } from '../../../test/support/resp-client.ts';
import type { Copies } from '../hostile-operator/copies.ts';
import { type ClusterSeen, membersOf, ownerOf, type SlotRange } from '../hostile-operator/fleet-seen.ts';

const KEY_COUNT = 100_000;
/** All over the first of three shards, so that all of its writers write into slots that move. */
const CARGO: readonly SlotRange[] = Array.from({ length: 10 }, (_, part) => ({
  start: part * 546,
  stop: part * 546 + 199,
}));
const TIMEOUT_MS = 30_000;
const PIPELINE = 2000;
const EXAMPLES_MAX = 3;

const TAGS = tagsBySlot();
const CARGO_SLOTS = CARGO.flatMap(({ start, stop }) =>
  Array.from({ length: stop - start + 1 }, (_, index) => start + index),
);
/** The value of each is its place. */
const KEYS: readonly string[] = Array.from({ length: KEY_COUNT }, (_, place) => {
  const slot = CARGO_SLOTS[place % CARGO_SLOTS.length] ?? 0;
  return `${TAGS[slot] ?? ''}:${place}`;
});

/** Ranges of the cargo that shard `except` does not own. */
export function cargoOutside(cluster: ClusterSeen, except: number): readonly SlotRange[] {
  const ranges: SlotRange[] = [];
  for (const slot of CARGO_SLOTS) {
    if (ownerOf(cluster, slot)?.index === except) continue;
    const last = ranges.at(-1);
    if (last?.stop === slot - 1) ranges[ranges.length - 1] = { start: last.start, stop: slot };
    else ranges.push({ start: slot, stop: slot });
  }
  return ranges;
}

/** Slots of the cargo that a shard has. */
export function cargoAt(cluster: ClusterSeen, index: number): number {
  return CARGO_SLOTS.filter((slot) => ownerOf(cluster, slot)?.index === index).length;
}

/** Keys in slots that have changed hands. */
export function keysMoved(before: ClusterSeen, after: ClusterSeen): number {
  // Indexes change, and so do masters; who belongs together does not.
  const ownerIn = (cluster: ClusterSeen, slot: number): string => {
    const owner = ownerOf(cluster, slot);
    const ids = owner === null ? [] : membersOf(owner).map(({ id }) => id);
    return ids.toSorted((left, right) => (left < right ? -1 : 1)).join(' ');
  };
  const slots = CARGO_SLOTS.filter((slot) => ownerIn(before, slot) !== ownerIn(after, slot)).length;
  return (slots * KEY_COUNT) / CARGO_SLOTS.length;
}

/** Writes all keys. */
export async function load(cluster: ClusterSeen): Promise<void> {
  const byOwner = Map.groupBy(
    KEYS.map((key, place) => ({ key, command: ['SET', key, String(place)] })),
    ({ key }) => ownerOf(cluster, slotOfKey(key))?.master.address ?? '',
  );
  for (const [address, all] of byOwner) {
    const refused = await refusedOf(
      address,
      all.map(({ command }) => command),
    );
    if (refused.length > 0) throw new Error(`${address} refuses keys: ${refused[0]?.reply}`);
  }
}

/** What is wrong with the keys, in words; empty when each is at the master of its slot with its value. */
export function missingCargo(copies: Pick<Copies, 'valueOf'>): readonly string[] {
  const wrong = KEYS.filter((key, place) => copies.valueOf(key) !== place);
  if (wrong.length === 0) return [];
  const examples = wrong.slice(0, EXAMPLES_MAX).map((key) => `${key} (slot ${slotOfKey(key)})`);
  return [`${wrong.length} of ${KEY_COUNT} keys that moved are gone or changed: ${examples.join(', ')}`];
}

/** Slots without an owner or with two, and slots that their owner does not serve or somebody else does; nobody may write meanwhile. */
export async function unserved(
  cluster: ClusterSeen,
  addresses: readonly string[],
): Promise<readonly string[]> {
  const complaints: string[] = [];
  const owners = Array.from({ length: SLOT_COUNT }, (_, slot) =>
    cluster.shards.filter(({ ranges }) => ranges.some(({ start, stop }) => start <= slot && slot <= stop)),
  );
  const odd = owners.filter((all) => all.length !== 1).length;
  if (odd > 0) complaints.push(`${odd} slots are owned by nobody or twice`);
  await Promise.all(
    addresses.map(async (address) => {
      const isOwn = (slot: number): boolean =>
        owners[slot]?.some(({ master }) => master.address === address) ?? false;
      const slots = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
      const own = slots.filter((slot) => isOwn(slot));
      const refused = await refusedOf(
        address,
        own.map((slot) => ['SET', `${TAGS[slot] ?? ''}:probe`, '1']),
      );
      const [first] = refused;
      if (first !== undefined)
        complaints.push(
          `${address} refuses writes to ${refused.length} of its ${own.length} slots: slot ${own[first.place]}: ${first.reply}`,
        );
      const others = slots.filter((slot) => !isOwn(slot));
      const answered = await refusedOf(
        address,
        others.map((slot) => ['SET', `${TAGS[slot] ?? ''}:stray`, '1']),
      );
      const served = others.length - answered.length;
      if (served > 0) complaints.push(`${address} takes writes to ${served} slots of other shards`);
    }),
  );
  return complaints;
}

/** Commands that were answered with an error, by their place. */
async function refusedOf(
  address: string,
  commands: readonly (readonly string[])[],
): Promise<readonly { readonly place: number; readonly reply: string }[]> {
  const colon = address.lastIndexOf(':');
  const client = await RespClient.open({
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    timeoutMs: TIMEOUT_MS,
  });
  try {
    const refused: { readonly place: number; readonly reply: string }[] = [];
    for (let from = 0; from < commands.length; from += PIPELINE) {
      const replies = await Promise.all(
        commands.slice(from, from + PIPELINE).map(async (command) => client.raw(command)),
      );
      for (const [index, reply] of replies.entries())
        if (reply.startsWith('-')) refused.push({ place: from + index, reply: reply.trim() });
    }
    return refused;
  } finally {
    client.close();
  }
}

/** A hash tag for each slot. */
function tagsBySlot(): readonly string[] {
  const tags: string[] = [];
  let left = SLOT_COUNT;
  for (let number = 0; left > 0; number += 1) {
    const tag = `{t${number}}`;
    const slot = slotOfKey(tag);
    if (tags[slot] !== undefined) continue;
    tags[slot] = tag;
    left -= 1;
  }
  return tags;
}
