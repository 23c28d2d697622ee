// Which group a member belongs to: a name that no other group has, said with every request between members.

import { createHash } from 'node:crypto';

import { assert } from '../base/assert.ts';
import type { Brand } from '../base/brand.ts';
import { type Random, randomHex } from '../base/random.ts';

/** 128 bits as 32 lower-case hexadecimal digits. Made by the functions of this file. */
export type ClusterId = Brand<string, 'ClusterId'>;

const DIGITS = 32;

/** Whether `text`, from outside, can be read with `clusterId`. */
export function isClusterId(text: string): text is ClusterId {
  return /^[0-9a-f]{32}$/.test(text);
}

/** Reads a cluster id; asserts that `text` is one. */
export function clusterId(text: string): ClusterId {
  assert(isClusterId(text), 'a cluster id is 32 hexadecimal digits');
  return text;
}

/**
 * The id of a group that is founded by these members: the first half of the SHA-256 of their addresses in the order of
 * `raft.peers`. All of them get the same id without talking, and a member configured with another list gets another.
 */
export function foundingClusterId(peers: readonly string[]): ClusterId {
  const hash = createHash('sha256').update(JSON.stringify(peers)).digest('hex');
  return clusterId(hash.slice(0, DIGITS));
}

/** The id of a group restored from a backup: new, so that members of the old group are foreign to it. */
export function randomClusterId(random: Random): ClusterId {
  return clusterId(randomHex(random, DIGITS));
}
