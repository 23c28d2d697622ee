// A membership as bytes: what a `config` entry carries and snapshots embed. Canonical: equal memberships, equal bytes.

import { isMember } from './membership.ts';
import { REMOVED_MAX, isIncarnation, memberId } from './types.ts';
import type { Incarnation, MemberId, Membership, RemovedMember } from './types.ts';

/** Rises when an older release could misread the new form; other formats are refused. */
const FORMAT = 1;
/** Far above any sensible group: bounds what malformed bytes can make us do. */
const MEMBERS_MAX = 1024;
const ADDRESS_LENGTH_MAX = 300;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** JSON with fixed keys in a fixed order, as UTF-8. */
export function encodeMembership(membership: Membership): Uint8Array {
  const { voterSets, learners, addresses, incarnations, removed } = membership;
  return encoder.encode(
    JSON.stringify({
      format: FORMAT,
      voterSets,
      learners,
      addresses: ascending(addresses),
      incarnations: ascending(incarnations),
      removed: removed.map(({ member, incarnation }) => [member, incarnation]),
    }),
  );
}

/**
 * The membership in `data`; null for anything that `encodeMembership` would not have written: other formats, ids out
 * of order, learners that vote, addresses or incarnations of strangers, members that were removed.
 */
export function decodeMembership(data: Uint8Array): Membership | null {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(data));
  } catch {
    return null;
  }
  const membership = readMembership(value);
  if (membership === null || !isConsistent(membership)) return null;
  return sameBytes(encodeMembership(membership), data) ? membership : null;
}

export function sameMembership(left: Membership, right: Membership): boolean {
  return left === right || sameBytes(encodeMembership(left), encodeMembership(right));
}

function ascending<T>(table: ReadonlyMap<MemberId, T>): readonly (readonly [MemberId, T])[] {
  return [...table].sort(([left], [right]) => left - right);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, place) => byte === right[place]);
}

function readMembership(value: unknown): Membership | null {
  if (typeof value !== 'object' || value === null) return null;
  const fields = new Map<string, unknown>(Object.entries(value));
  if (fields.get('format') !== FORMAT) return null;
  const voterSets = readList(fields.get('voterSets'), readMembers);
  const learners = readMembers(fields.get('learners'));
  const addresses = readTable(fields.get('addresses'), readAddress);
  const incarnations = readTable(fields.get('incarnations'), readIncarnation);
  const removed = readList(fields.get('removed'), readRemoved);
  if (voterSets === null || learners === null || addresses === null) return null;
  if (incarnations === null || removed === null) return null;
  return { voterSets, learners, addresses, incarnations, removed };
}

/** A list whose items all read, at most `MEMBERS_MAX` of them. */
function readList<T>(value: unknown, read: (item: unknown) => T | null): readonly T[] | null {
  if (!Array.isArray(value) || value.length > MEMBERS_MAX) return null;
  const items: T[] = [];
  for (const item of value) {
    const each = read(item);
    if (each === null) return null;
    items.push(each);
  }
  return items;
}

function readMembers(value: unknown): readonly MemberId[] | null {
  const members = readList(value, readMember);
  return members !== null && isAscending(members) ? members : null;
}

function readMember(value: unknown): MemberId | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? memberId(value) : null;
}

function readTable<T>(value: unknown, read: (item: unknown) => T | null): ReadonlyMap<MemberId, T> | null {
  const rows = readList(value, (row) => {
    const [key, item] = Array.isArray(row) ? row : [];
    const member = readMember(key);
    const content = read(item);
    return member === null || content === null ? null : ([member, content] as const);
  });
  return rows === null || !isAscending(rows.map(([member]) => member)) ? null : new Map(rows);
}

function readAddress(value: unknown): string | null {
  return typeof value === 'string' && value.length <= ADDRESS_LENGTH_MAX ? value : null;
}

function readIncarnation(value: unknown): Incarnation | null {
  return typeof value === 'string' && isIncarnation(value) ? value : null;
}

function readRemoved(value: unknown): RemovedMember | null {
  const [id, bound] = Array.isArray(value) ? value : [];
  const member = readMember(id);
  const incarnation = readIncarnation(bound);
  if (member === null || (incarnation === null && bound !== null)) return null;
  return { member, incarnation };
}

function isAscending(members: readonly MemberId[]): boolean {
  let before = 0;
  for (const member of members) {
    if (member <= before) return false;
    before = member;
  }
  return true;
}

/**
 * One voter set or two; two are a change from voters to voters, so neither is empty. One may be: a member that is
 * about to join knows nobody yet.
 */
function isConsistent(membership: Membership): boolean {
  const { voterSets, learners, addresses, incarnations, removed } = membership;
  const [first] = voterSets;
  if (first === undefined || voterSets.length > 2 || removed.length > REMOVED_MAX) return false;
  if (voterSets.length === 2 && voterSets.some((voters) => voters.length === 0)) return false;
  if (learners.some((learner) => first.includes(learner))) return false;
  const named = [...addresses.keys(), ...incarnations.keys()];
  if (!named.every((member) => isMember(membership, member))) return false;
  const gone = removed.map(({ member }) => member);
  return new Set(gone).size === gone.length && !gone.some((member) => isMember(membership, member));
}
