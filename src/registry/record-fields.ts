// The form of every record: a msgpack array that begins with the record's version and has one position a field.

import { Packr } from 'msgpackr';

import type { Key, StoredValue } from '../store/types.ts';
import { UnreadableRecordError } from './unreadable-record.ts';

/** `useRecords: false`: msgpackr's record extension keeps state between messages and must not reach a disk. */
const packr = new Packr({ useRecords: false });

/** A record of `version`. Nested arrays have no version of their own. */
export function packRecord(version: number, fields: readonly unknown[]): Uint8Array {
  return packr.pack([version, ...fields]);
}

/**
 * What `read` makes of the fields of a record, which it has to read to their end. Throws `UnreadableRecordError` for a record of a version
 * above `versionMax`, and for whatever is not as `read` asks for it.
 */
export function readRecord<T>(
  { key, value }: Pick<StoredValue, 'key' | 'value'>,
  versionMax: number,
  read: (fields: Fields) => T,
): T {
  const values = unpack(key, value);
  const [version] = values;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) throw malformed(key, 1);
  if (version > versionMax) {
    const remedy = 'update this member to the release that wrote it';
    const reason = `it is of version ${version}, this release reads versions up to ${versionMax}; ${remedy}`;
    throw new UnreadableRecordError(key, reason);
  }
  const fields = new Fields({ key, version, values, next: 1 });
  const result = read(fields);
  fields.end();
  return result;
}

/** Reads an array's fields one after the other, each of the type asked for, and throws `UnreadableRecordError` otherwise. */
export class Fields {
  readonly key: Key;
  /** Of the record that these fields belong to. */
  readonly version: number;
  readonly #values: readonly unknown[];
  #next: number;

  constructor(from: {
    readonly key: Key;
    readonly version: number;
    readonly values: readonly unknown[];
    readonly next: number;
  }) {
    this.key = from.key;
    this.version = from.version;
    this.#values = from.values;
    this.#next = from.next;
  }

  get isAtEnd(): boolean {
    return this.#next === this.#values.length;
  }

  text(): string {
    const value = this.#take();
    if (typeof value !== 'string') throw this.malformed();
    return value;
  }

  textOrNull(): string | null {
    return this.#orNull(() => this.text());
  }

  /** An integer that is not negative. */
  number(): number {
    const value = this.#take();
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.malformed();
    return value;
  }

  numberOrNull(): number | null {
    return this.#orNull(() => this.number());
  }

  /** Any integer: what a node said of itself is kept as it was said. */
  integerOrNull(): number | null {
    const value = this.#take();
    if (value === null) return null;
    if (typeof value !== 'number' || !Number.isInteger(value)) throw this.malformed();
    return value;
  }

  flag(): boolean {
    const value = this.#take();
    if (typeof value !== 'boolean') throw this.malformed();
    return value;
  }

  flagOrNull(): boolean | null {
    return this.#orNull(() => this.flag());
  }

  oneOf<T extends string>(choices: readonly T[]): T {
    const value = this.text();
    const choice = choices.find((one) => one === value);
    if (choice === undefined) throw this.malformed();
    return choice;
  }

  /** A nested array, read to its end by `read`. */
  list<T>(read: (fields: Fields) => T): T {
    return this.#nested(this.#take(), read);
  }

  optional<T>(read: (fields: Fields) => T): T | null {
    return this.#orNull(() => this.list(read));
  }

  /** A nested array of arrays, each read to its end by `read`. */
  each<T>(read: (fields: Fields) => T): readonly T[] {
    const value = this.#take();
    if (!Array.isArray(value)) throw this.malformed();
    return value.map((item: unknown) => this.#nested(item, read));
  }

  end(): void {
    if (!this.isAtEnd) throw this.malformed();
  }

  /** The error for the field read last. */
  malformed(): UnreadableRecordError {
    return malformed(this.key, this.#next);
  }

  #orNull<T>(read: () => T): T | null {
    if (this.#values[this.#next] !== null) return read();
    this.#next += 1;
    return null;
  }

  #nested<T>(value: unknown, read: (fields: Fields) => T): T {
    if (!Array.isArray(value)) throw this.malformed();
    const { key, version } = this;
    const nested = new Fields({ key, version, values: value, next: 0 });
    const result = read(nested);
    nested.end();
    return result;
  }

  #take(): unknown {
    const value = this.#values[this.#next];
    this.#next += 1;
    return value;
  }
}

function unpack(key: Key, bytes: Uint8Array): readonly unknown[] {
  try {
    const values: unknown = packr.unpack(bytes);
    if (Array.isArray(values)) return values;
  } catch {
    // Told by the throw below: the reason msgpackr gives may quote the content, which holds passwords.
  }
  throw malformed(key, 1);
}

/** `position` counts from 1, the version of a record included. */
function malformed(key: Key, position: number): UnreadableRecordError {
  return new UnreadableRecordError(key, `field ${position} is malformed`);
}
