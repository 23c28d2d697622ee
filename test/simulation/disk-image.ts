// What a disk holds: file contents and names, each as the page cache shows it and as it would survive a power loss.

import type { Random } from '../../src/base/random.ts';
import { randomUnit } from '../../src/base/random.ts';
import { SECTOR_BYTES } from '../../src/raft/wal/format.ts';
import { chance, pick } from './prng.ts';

/** Bytes that grow; reads see zeroes where nothing was written. */
class Content {
  #bytes = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, position);
    this.#length = Math.max(this.#length, end);
  }

  replace(bytes: Uint8Array): void {
    this.#bytes = Buffer.from(bytes);
    this.#length = bytes.length;
  }
}

/** Bytes on their way: in the page cache, not on the disk. */
export interface DirtyWrite {
  readonly position: number;
  readonly bytes: Buffer;
}

/** A file, by whatever name. */
export class Inode {
  readonly cache = new Content();
  readonly durable = new Content();
  dirty: DirtyWrite[] = [];
  /** Where the writes that the last sync made durable began: what lies before was durable when they were issued. */
  lastWriteAt = 0;

  write(bytes: Uint8Array, position: number): void {
    this.cache.write(bytes, position);
    this.dirty.push({ position, bytes: Buffer.from(bytes) });
  }

  /** `covered` is on the disk. */
  settle(covered: readonly DirtyWrite[]): void {
    for (const { position, bytes } of covered) this.durable.write(bytes, position);
    if (covered.length > 0) this.lastWriteAt = Math.min(...covered.map(({ position }) => position));
    this.drop(covered);
  }

  /** `covered` is marked clean, though parts of it never reached the disk: what a failed sync does. */
  lose(covered: readonly DirtyWrite[], random: Random): void {
    for (const write of covered) writeSectors(this.durable, write, () => chance(random, 0.5));
    this.drop(covered);
  }

  /** After a power loss, `survives` having decided for every sector that was not synced. */
  revert(survives: () => boolean): void {
    for (const write of this.dirty) writeSectors(this.durable, write, survives);
    this.dirty = [];
    this.cache.replace(this.durable.view());
  }

  /** `covered` is not dirty any more. */
  drop(covered: readonly DirtyWrite[]): void {
    this.dirty =
      this.dirty.length === covered.length ? [] : this.dirty.filter((each) => !covered.includes(each));
  }
}

function writeSectors(content: Content, write: DirtyWrite, survives: () => boolean): void {
  const { position, bytes } = write;
  const end = position + bytes.length;
  for (let sector = position - (position % SECTOR_BYTES); sector < end; sector += SECTOR_BYTES) {
    if (!survives()) continue;
    const from = Math.max(sector, position);
    content.write(bytes.subarray(from - position, Math.min(sector + SECTOR_BYTES, end) - position), from);
  }
}

/** A change of names in one directory; null removes the name. */
interface NameChange {
  readonly directory: string;
  readonly names: ReadonlyMap<string, Inode | null>;
}

/** How much of what was not synced survives a power loss. */
const LOSSES = ['nothing', 'everything', 'anySectors', 'mostSectors'] as const;

/** The names and files of one disk. */
export class DiskImage {
  readonly #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];

  get(path: string): Inode | undefined {
    return this.#names.get(path);
  }

  paths(): IterableIterator<string> {
    return this.#names.keys();
  }

  /** Bytes in all files that have a name. */
  get usedBytes(): number {
    let bytes = 0;
    for (const inode of this.#names.values()) bytes += inode.cache.length;
    return bytes;
  }

  /** Changes names in the page cache; durable with the next sync of `directory`. */
  change(directory: string, names: ReadonlyMap<string, Inode | null>): void {
    this.#changes.push({ directory, names });
    applyNames(this.#names, names);
  }

  /** The changes that a sync of `directory` issued now will cover. */
  changesOf(directory: string): readonly NameChange[] {
    return this.#changes.filter((change) => change.directory === directory);
  }

  /** `covered` is on the disk. */
  settle(covered: readonly NameChange[]): void {
    for (const change of covered) applyNames(this.#durableNames, change.names);
    this.#changes = this.#changes.filter((change) => !covered.includes(change));
  }

  /** The power was lost: each change of a name and each sector not synced survives or not, independently. */
  losePower(random: Random): void {
    const loss = pick(random, LOSSES);
    const share = { nothing: 0, everything: 1, anySectors: 0.5, mostSectors: 0.9 }[loss];
    const survives = (): boolean => randomUnit(random) < share;
    const names = new Map(this.#durableNames);
    for (const change of this.#changes) if (survives()) applyNames(names, change.names);
    this.#changes = [];
    this.#names.clear();
    for (const [path, inode] of names) {
      inode.revert(survives);
      this.#names.set(path, inode);
    }
    this.#durableNames = names;
  }

  /** Everything is gone: the disk was replaced. */
  wipe(): void {
    this.#names.clear();
    this.#durableNames.clear();
    this.#changes = [];
  }
}

function applyNames(names: Map<string, Inode>, changes: ReadonlyMap<string, Inode | null>): void {
  for (const [path, inode] of changes) {
    if (inode === null) names.delete(path);
    else names.set(path, inode);
  }
}
