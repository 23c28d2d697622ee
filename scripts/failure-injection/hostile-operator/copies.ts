// All keys of every node, read over a direct connection, and where a replica differs from its master.

import { slotOfKey } from '../../../test/kvrocks-simulator/slots.ts';
import { RespClient } from '../../../test/support/resp-client.ts';
import { type ClusterSeen, ownerOf } from './fleet-seen.ts';
import type { ReplicaDifference } from './verdicts.ts';

/** Raw replies to GET by key: also of keys that the node has and does not serve. */
type Copy = ReadonlyMap<string, string>;

const TIMEOUT_MS = 20_000;
const SCAN_COUNT = 1000;
const EXAMPLES_MAX = 3;

/** Every node's keys at one moment: nobody may write meanwhile. */
export class Copies {
  readonly #cluster: ClusterSeen;
  readonly #copies: ReadonlyMap<string, Copy>;

  private constructor(cluster: ClusterSeen, copies: ReadonlyMap<string, Copy>) {
    this.#cluster = cluster;
    this.#copies = copies;
  }

  static async read(cluster: ClusterSeen): Promise<Copies> {
    const nodes = cluster.shards.flatMap(({ master, replicas }) => [master, ...replicas]);
    const copies = await Promise.all(
      nodes.map(async ({ address }) => [address, await readCopy(address)] as const),
    );
    return new Copies(cluster, new Map(copies));
  }

  /** What the master of its slot holds of `key`, as a number; null when it is not there. */
  valueOf(key: string): number | null {
    const owner = ownerOf(this.#cluster, slotOfKey(key));
    const reply = owner === null ? undefined : this.#copies.get(owner.master.address)?.get(key);
    const text = reply === undefined ? undefined : /^\$\d+\r\n(\d+)\r\n$/.exec(reply)?.[1];
    return text === undefined ? null : Number(text);
  }

  differences(): readonly ReplicaDifference[] {
    const differences: ReplicaDifference[] = [];
    for (const { master, replicas } of this.#cluster.shards) {
      const original = this.#copies.get(master.address) ?? new Map();
      for (const { address } of replicas) {
        const keys = differingKeys(original, this.#copies.get(address) ?? new Map());
        if (keys.length === 0) continue;
        const examples = keys.slice(0, EXAMPLES_MAX).map((key) => {
          const [own, wanted] = [this.#copies.get(address)?.get(key), original.get(key)];
          return `${key} is ${word(own)} and not ${word(wanted)}`;
        });
        differences.push({ master: master.address, replica: address, keyCount: keys.length, examples });
      }
    }
    return differences;
  }
}

/** Keys that are on one side only, or have different values. */
export function differingKeys(original: Copy, copy: Copy): readonly string[] {
  const keys = new Set([...original.keys(), ...copy.keys()]);
  return [...keys].filter((key) => original.get(key) !== copy.get(key));
}

function word(reply: string | undefined): string {
  if (reply === undefined) return 'not there';
  const [head = '', value] = reply.split('\r\n');
  return reply.startsWith('$') ? (value ?? head) : head;
}

async function readCopy(address: string): Promise<Copy> {
  const colon = address.lastIndexOf(':');
  const client = await RespClient.open({
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    timeoutMs: TIMEOUT_MS,
  });
  try {
    await client.command(['READONLY']);
    const copy = new Map<string, string>();
    let cursor = '0';
    do {
      const reply = await client.command(['SCAN', cursor, 'COUNT', String(SCAN_COUNT)]);
      const [next, keys] = Array.isArray(reply) ? reply : [];
      const names = Array.isArray(keys) ? keys.map(String) : [];
      const values = await Promise.all(names.map(async (key) => client.raw(['GET', key])));
      for (const [index, key] of names.entries()) copy.set(key, values[index] ?? '');
      cursor = String(next ?? '0');
    } while (cursor !== '0');
    return copy;
  } finally {
    client.close();
  }
}
