// Records as bytes: versioned msgpack arrays with one position a field; read back with full validation.

import { Packr } from 'msgpackr';

import { Secret } from '../base/secret.ts';
import type { Key, StoredValue } from '../store/types.ts';
import { makeCluster, parseShardId } from '../topology/cluster.ts';
import { initialFacts } from '../topology/facts.ts';
import { parseName } from '../topology/name.ts';
import { parseAddress, parseNodeId } from '../topology/node.ts';
import type { ClusterPlace, ClusterRecord } from '../topology/record.ts';
import { parseSlot, slotSetOf } from '../topology/slot.ts';
import type { Cluster, Migration, MigrationStage, Node, Shard, SlotRange } from '../topology/types.ts';
import { clusterKey, placeOf } from './keys.ts';
import { UnreadableRecordError, readable } from './unreadable-record.ts';

/**
 * The version of every record. A release reads its own and all earlier ones; a new one may be written only when every
 * member can read it.
 */
const RECORD_VERSION = 1;

/** `useRecords: false`: msgpackr's record extension keeps state between messages and must not reach a disk. */
const packr = new Packr({ useRecords: false });

/** A namespace has nothing but its name, which is in the key. */
export function encodeNamespace(): Uint8Array {
  return packr.pack([RECORD_VERSION]);
}

/** The claim of an address: who holds it. */
export function encodeClaim({ namespace, cluster }: ClusterPlace): Uint8Array {
  return packr.pack([RECORD_VERSION, namespace, cluster]);
}

export function decodeClaim({ key, value }: StoredValue): ClusterPlace {
  const fields = new Fields(key, value);
  const place = {
    namespace: readable(key, parseName(fields.text())),
    cluster: readable(key, parseName(fields.text())),
  };
  fields.end();
  return place;
}

/**
 * The record of `cluster` at `place`. Passwords leave their wrapping here and nowhere else on the way to the disk. The bytes are
 * read back before they are returned: a record that no member could read must not get into the log. Throws when they cannot.
 */
export function encodeCluster(place: ClusterPlace, cluster: Cluster): Uint8Array {
  const shards = cluster.shards.map((shard) => [
    shard.id,
    shard.slots.flatMap(({ start, stop }) => [start, stop]),
    shard.nodes.map(encodeNode),
    shard.migration === null ? null : encodeMigration(shard.migration),
  ]);
  const value = packr.pack([RECORD_VERSION, cluster.name, cluster.version, cluster.nextShardId, shards]);
  decodeCluster({ key: clusterKey(place), value, revision: 0 });
  return value;
}

/** The cluster at a cluster key, validated as a whole by `makeCluster`. Throws `UnreadableRecordError`. */
export function decodeCluster(stored: StoredValue): ClusterRecord {
  const { key } = stored;
  const place = placeOf(key);
  if (place === null) throw new UnreadableRecordError(key, 'the key is not that of a cluster');
  const fields = new Fields(key, stored.value);
  const name = readable(key, parseName(fields.text()));
  const version = fields.number();
  const nextShardId = fields.number();
  const shards = fields.each(decodeShard);
  fields.end();
  if (name !== place.cluster) throw new UnreadableRecordError(key, 'the record is of another cluster');
  const cluster = readable(key, makeCluster({ name, version, shards, nextShardId }));
  const facts = initialFacts(cluster);
  return { namespace: place.namespace, cluster, revision: stored.revision, facts, factsRevision: 0 };
}

function encodeNode(node: Node): readonly unknown[] {
  const { id, address, role, password, masterAuth, createdAtSeconds } = node;
  return [id, address, role, password.reveal(), masterAuth.reveal(), createdAtSeconds];
}

function encodeMigration({ range, target, stage, startedAtSeconds }: Migration): readonly unknown[] {
  const isTargetMarked = stage.kind === 'started' ? stage.isTargetMarked : null;
  return [range.start, range.stop, target, stage.kind, isTargetMarked, startedAtSeconds];
}

function decodeShard(fields: Fields): Shard {
  const { key } = fields;
  const id = readable(key, parseShardId(fields.number()));
  const slots = slotSetOf(fields.list(decodeRanges));
  const nodes = fields.each(decodeNode);
  const migration = fields.optional(decodeMigration);
  return { id, slots, nodes, migration };
}

function decodeRanges(fields: Fields): readonly SlotRange[] {
  const ranges: SlotRange[] = [];
  while (!fields.isAtEnd) ranges.push(decodeRange(fields));
  return ranges;
}

function decodeRange(fields: Fields): SlotRange {
  const start = readable(fields.key, parseSlot(fields.number()));
  const stop = readable(fields.key, parseSlot(fields.number()));
  if (start > stop) throw new UnreadableRecordError(fields.key, 'a slot range is reversed');
  return { start, stop };
}

function decodeNode(fields: Fields): Node {
  const { key } = fields;
  return {
    id: readable(key, parseNodeId(fields.text())),
    address: readable(key, parseAddress(fields.text())),
    role: fields.oneOf(['master', 'replica']),
    password: new Secret(fields.text()),
    masterAuth: new Secret(fields.text()),
    createdAtSeconds: fields.number(),
  };
}

function decodeMigration(fields: Fields): Migration {
  const range = decodeRange(fields);
  const target = readable(fields.key, parseShardId(fields.number()));
  const stage = decodeStage(fields);
  return { range, target, stage, startedAtSeconds: fields.number(), isCancelled: false };
}

function decodeStage(fields: Fields): MigrationStage {
  const kind = fields.oneOf(['planned', 'started']);
  const isTargetMarked = fields.flagOrNull();
  if (kind === 'planned' && isTargetMarked === null) return { kind };
  if (kind === 'started' && isTargetMarked !== null) return { kind, isTargetMarked };
  throw new UnreadableRecordError(fields.key, 'the stage of a migration is malformed');
}

/** Reads an array's fields one after the other, each of the type asked for, and throws `UnreadableRecordError` otherwise. */
class Fields {
  readonly key: Key;
  readonly #fields: readonly unknown[];
  #next = 0;

  /** The fields of `record` after its version: bytes as stored, or a nested array, which has none. */
  constructor(key: Key, record: Uint8Array | readonly unknown[]) {
    this.key = key;
    this.#fields = record instanceof Uint8Array ? this.#unpack(record) : record;
    if (record instanceof Uint8Array) this.#version();
  }

  get isAtEnd(): boolean {
    return this.#next === this.#fields.length;
  }

  text(): string {
    const value = this.#take();
    if (typeof value !== 'string') throw this.#malformed();
    return value;
  }

  /** An integer that is not negative. */
  number(): number {
    const value = this.#take();
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.#malformed();
    return value;
  }

  flagOrNull(): boolean | null {
    const value = this.#take();
    if (value !== null && typeof value !== 'boolean') throw this.#malformed();
    return value;
  }

  oneOf<T extends string>(choices: readonly T[]): T {
    const value = this.text();
    const choice = choices.find((one) => one === value);
    if (choice === undefined) throw this.#malformed();
    return choice;
  }

  /** A nested array, read to its end by `read`. */
  list<T>(read: (fields: Fields) => T): T {
    return this.#nested(this.#take(), read);
  }

  optional<T>(read: (fields: Fields) => T): T | null {
    const value = this.#take();
    return value === null ? null : this.#nested(value, read);
  }

  /** A nested array of arrays, each read to its end by `read`. */
  each<T>(read: (fields: Fields) => T): readonly T[] {
    const value = this.#take();
    if (!Array.isArray(value)) throw this.#malformed();
    return value.map((item: unknown) => this.#nested(item, read));
  }

  end(): void {
    if (!this.isAtEnd) throw this.#malformed();
  }

  #nested<T>(value: unknown, read: (fields: Fields) => T): T {
    if (!Array.isArray(value)) throw this.#malformed();
    const nested = new Fields(this.key, value);
    const result = read(nested);
    nested.end();
    return result;
  }

  #take(): unknown {
    const value = this.#fields[this.#next];
    this.#next += 1;
    return value;
  }

  #unpack(bytes: Uint8Array): readonly unknown[] {
    try {
      const fields: unknown = packr.unpack(bytes);
      if (Array.isArray(fields)) return fields;
    } catch {
      // Told by the throw below: the reason msgpackr gives may quote the content, which holds passwords.
    }
    throw this.#malformed();
  }

  #version(): void {
    const version = this.number();
    if (version === RECORD_VERSION) return;
    const remedy = 'update this member to the release that wrote it';
    throw new UnreadableRecordError(
      this.key,
      `it is of version ${version}, this release reads version ${RECORD_VERSION}; ${remedy}`,
    );
  }

  #malformed(): UnreadableRecordError {
    return new UnreadableRecordError(this.key, `field ${this.#next} is malformed`);
  }
}
