// A strict disk in memory: nothing survives a power loss unless it was synced, and what was not may survive in any part.

import { dirname } from 'node:path';

import { type Random, createSeededRandom, randomUnit } from '../../src/base/random.ts';
import {
  type FileSystem,
  type OpenFile,
  type OpenMode,
  type Outcome,
  writeAndSync,
} from '../../src/raft/wal/file-system.ts';
import { SECTOR_BYTES } from '../../src/raft/wal/format.ts';
import type { Done } from '../../src/raft/ports.ts';

export type DiskOperationKind = 'create' | 'write' | 'datasync' | 'rename' | 'remove' | 'syncDirectory';

/** One operation that changes the disk; numbered from 1 in the order of issue. */
export interface DiskOperation {
  readonly number: number;
  readonly kind: DiskOperationKind;
  readonly path: string;
}

/**
 * What a power loss does to unsynced sectors and names. `lost`: none survives. `kept`: all do. `torn`: each survives or
 * not, independently. `garbage`: as torn, and lost sectors of a grown file hold noise instead of zeroes.
 */
export type PowerLoss =
  | { readonly kind: 'lost' }
  | { readonly kind: 'kept' }
  | { readonly kind: 'torn'; readonly seed: number }
  | { readonly kind: 'garbage'; readonly seed: number };

interface Inode {
  /** What survives a power loss for sure. */
  durable: Buffer;
  /** What reads see. */
  cache: Buffer;
  /** Written and not synced, in order. */
  dirty: { readonly position: number; readonly bytes: Buffer }[];
}

/** Not yet durable change of names; null removes the name. */
interface NameChange {
  readonly directory: string;
  readonly names: ReadonlyMap<string, Inode | null>;
}

export interface SimulatedDiskOptions {
  /** Where completions go; by default a queue that `runUntilIdle` empties in order. */
  readonly schedule?: (callback: () => void) => void;
  /** Bytes that fit; more is `ENOSPC` after the part that fitted. */
  readonly capacityBytes?: number;
}

/** An error with a system code, as `node:fs` makes them. */
export function diskError(code: string, path = ''): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code });
}

export class SimulatedDisk implements FileSystem {
  readonly #schedule: (callback: () => void) => void;
  readonly #queue: (() => void)[] = [];
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  readonly #operations: DiskOperation[] = [];
  #dead = false;
  capacityBytes: number;
  /** What `freeBytes` fails with; null when it knows. */
  freeBytesError: Error | null = null;
  /** The operation of this number takes effect in memory and never completes: the machine or the process ends there. */
  crashAt: number | null = null;
  /** Makes an operation fail: half of a write arrives, a failed sync drops what it should have made durable. */
  failure: (operation: DiskOperation) => Error | null = () => null;

  constructor(options: SimulatedDiskOptions = {}) {
    this.#schedule = options.schedule ?? ((callback) => this.#queue.push(callback));
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  get operations(): readonly DiskOperation[] {
    return this.#operations;
  }

  /** `crashAt` was reached. */
  get crashed(): boolean {
    return this.#dead;
  }

  /** Delivers completions in order until none is left. */
  runUntilIdle(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
  }

  /** The disk as a new process finds it on the same running machine: unsynced writes are still in memory. */
  afterProcessExit(options: SimulatedDiskOptions = {}): SimulatedDisk {
    this.#dead = true;
    const next = new SimulatedDisk({ capacityBytes: this.capacityBytes, ...options });
    const copies = new Map<Inode, Inode>();
    const copy = (inode: Inode): Inode => {
      const known = copies.get(inode) ?? {
        durable: Buffer.from(inode.durable),
        cache: Buffer.from(inode.cache),
        dirty: [...inode.dirty],
      };
      copies.set(inode, known);
      return known;
    };
    for (const [path, inode] of this.#names) next.#names.set(path, copy(inode));
    for (const [path, inode] of this.#durableNames) next.#durableNames.set(path, copy(inode));
    next.#changes = this.#changes.map(({ directory, names }) => ({
      directory,
      names: new Map([...names].map(([path, inode]) => [path, inode === null ? null : copy(inode)])),
    }));
    return next;
  }

  /** The disk after the power came back. */
  afterPowerLoss(loss: PowerLoss, options: SimulatedDiskOptions = {}): SimulatedDisk {
    this.#dead = true;
    const survives = survivor(loss);
    const next = new SimulatedDisk({ capacityBytes: this.capacityBytes, ...options });
    const names = new Map(this.#durableNames);
    for (const change of this.#changes) if (survives()) applyNames(names, change.names);
    const contents = new Map<Inode, Buffer>();
    for (const [path, inode] of names) {
      const content = contents.get(inode) ?? contentAfter(inode, loss, survives);
      contents.set(inode, content);
      next.plant(path, content);
    }
    return next;
  }

  /** The content of every file, as reads see it. */
  files(): Map<string, Buffer> {
    return new Map([...this.#names].map(([path, inode]) => [path, Buffer.from(inode.cache)]));
  }

  /** Puts a durable file in place, or replaces one. */
  plant(path: string, content: Uint8Array): void {
    const inode = { durable: Buffer.from(content), cache: Buffer.from(content), dirty: [] };
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  /** Takes a file away, durably. */
  uproot(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  /** Directories need no simulation here: they are made once, before anything depends on them. */
  ensureDirectory(_path: string, done: Done): void {
    this.#complete(() => done(null));
  }

  list(directory: string, done: Outcome<readonly string[]>): void {
    const paths = [...this.#names.keys()].filter((path) => path.startsWith(`${directory}/`));
    const names = new Set(paths.map((path) => path.slice(directory.length + 1).replace(/\/.*/s, '')));
    this.#complete(() => done([...names]));
  }

  open(path: string, mode: OpenMode, done: Outcome<OpenFile>): void {
    const found = this.#names.get(path);
    if (mode === 'create' && found !== undefined)
      return this.#complete(() => done(diskError('EEXIST', path)));
    const creates = mode === 'create' || mode === 'replace';
    if (!creates) {
      const result = found === undefined ? diskError('ENOENT', path) : this.#handle(path, found);
      return this.#complete(() => done(result));
    }
    const inode: Inode = { durable: Buffer.alloc(0), cache: Buffer.alloc(0), dirty: [] };
    this.#issue('create', path, (error) => done(error ?? this.#handle(path, inode)), {
      effect: () => this.#change(dirname(path), new Map([[path, inode]])),
    });
  }

  rename(from: string, to: string, done: Done): void {
    const moved = [...this.#names].filter(([path]) => path === from || path.startsWith(`${from}/`));
    if (moved.length === 0) return this.#complete(() => done(diskError('ENOENT', from)));
    const names = new Map<string, Inode | null>(
      moved.flatMap(([path, inode]): [string, Inode | null][] => [
        [path, null],
        [to + path.slice(from.length), inode],
      ]),
    );
    this.#issue('rename', to, done, { effect: () => this.#change(dirname(to), names) });
  }

  remove(path: string, done: Done): void {
    if (!this.#names.has(path)) return this.#complete(() => done(diskError('ENOENT', path)));
    this.#issue('remove', path, done, { effect: () => this.#change(dirname(path), new Map([[path, null]])) });
  }

  syncDirectory(path: string, done: Done): void {
    const covered = this.#changes.filter((change) => change.directory === path);
    this.#issue('syncDirectory', path, done, {
      completed: () => {
        for (const change of covered) applyNames(this.#durableNames, change.names);
        this.#changes = this.#changes.filter((change) => !covered.includes(change));
      },
    });
  }

  freeBytes(_path: string, done: Outcome<number>): void {
    const result = this.freeBytesError ?? Math.max(0, this.capacityBytes - this.#usedBytes);
    this.#complete(() => done(result));
  }

  defer(callback: () => void): void {
    this.#complete(callback);
  }

  get #usedBytes(): number {
    return [...new Set(this.#names.values())].reduce((sum, { cache }) => sum + cache.length, 0);
  }

  #handle(path: string, inode: Inode): OpenFile {
    const file: OpenFile = {
      read: (into, position, done) => {
        const count = inode.cache.copy(into, 0, Math.min(position, inode.cache.length));
        this.#complete(() => done(count));
      },
      write: (bytes, position, done) =>
        this.#write(path, inode, { bytes: Buffer.from(bytes), position }, done),
      datasync: (done) => {
        const covered = [...inode.dirty];
        const settle = (): void => {
          inode.dirty = inode.dirty.filter((write) => !covered.includes(write));
        };
        this.#issue('datasync', path, done, {
          // The pages of a failed sync are marked clean: reads see them, no later sync writes them.
          failed: settle,
          completed: () => {
            for (const write of covered)
              inode.durable = overwrite(inode.durable, write.position, write.bytes);
            settle();
          },
        });
      },
      writeDurably: (bytes, position, done) => writeAndSync(file, bytes, position, done),
      sizeBytes: (done) => this.#complete(() => done(inode.cache.length)),
      close: (done) => this.#complete(() => done(null)),
    };
    return file;
  }

  #write(path: string, inode: Inode, write: { bytes: Buffer; position: number }, done: Done): void {
    const put = (bytes: Buffer): void => {
      inode.dirty.push({ position: write.position, bytes });
      inode.cache = overwrite(inode.cache, write.position, bytes);
    };
    const growth = Math.max(0, write.position + write.bytes.length - inode.cache.length);
    const missing = Math.max(0, this.#usedBytes + growth - this.capacityBytes);
    const fits = Math.max(0, write.bytes.length - missing);
    this.#issue('write', path, done, {
      error: missing > 0 ? diskError('ENOSPC', path) : null,
      effect: () => put(write.bytes),
      failed: () => put(write.bytes.subarray(0, missing > 0 ? fits : write.bytes.length >> 1)),
    });
  }

  #issue(
    kind: DiskOperationKind,
    path: string,
    done: Done,
    steps: {
      readonly error?: Error | null;
      readonly effect?: () => void;
      readonly failed?: () => void;
      readonly completed?: () => void;
    },
  ): void {
    if (this.#dead) return;
    const operation = { number: this.#operations.length + 1, kind, path };
    this.#operations.push(operation);
    const error = steps.error ?? this.failure(operation);
    if (error === null) steps.effect?.();
    else steps.failed?.();
    if (operation.number === this.crashAt) {
      this.#dead = true;
      return;
    }
    this.#complete(() => {
      if (error === null) steps.completed?.();
      done(error);
    });
  }

  #change(directory: string, names: ReadonlyMap<string, Inode | null>): void {
    this.#changes.push({ directory, names });
    applyNames(this.#names, names);
  }

  #complete(callback: () => void): void {
    this.#schedule(() => {
      if (!this.#dead) callback();
    });
  }
}

function applyNames(names: Map<string, Inode>, changes: ReadonlyMap<string, Inode | null>): void {
  for (const [path, inode] of changes) {
    if (inode === null) names.delete(path);
    else names.set(path, inode);
  }
}

function survivor(loss: PowerLoss): () => boolean {
  if (loss.kind === 'lost') return () => false;
  if (loss.kind === 'kept') return () => true;
  const random = createSeededRandom(loss.seed);
  return () => randomUnit(random) < 0.5;
}

function contentAfter(inode: Inode, loss: PowerLoss, survives: () => boolean): Buffer {
  let content: Buffer = Buffer.from(inode.durable);
  for (const write of inode.dirty) {
    const end = write.position + write.bytes.length;
    const first = write.position - (write.position % SECTOR_BYTES);
    for (let sector = first; sector < end; sector += SECTOR_BYTES) {
      const from = Math.max(sector, write.position);
      const part = write.bytes.subarray(
        from - write.position,
        Math.min(sector + SECTOR_BYTES, end) - write.position,
      );
      if (survives()) content = overwrite(content, from, part);
      else if (loss.kind === 'garbage' && from >= content.length) {
        content = overwrite(content, from, noise(part.length, createSeededRandom(loss.seed + sector)));
      }
    }
  }
  return content;
}

function overwrite(content: Buffer, position: number, bytes: Buffer): Buffer {
  const grown = Buffer.alloc(Math.max(content.length, position + bytes.length));
  content.copy(grown);
  bytes.copy(grown, position);
  return grown;
}

function noise(length: number, random: Random): Buffer {
  return Buffer.from(Array.from({ length }, () => random.uint32() & 0xff));
}
