// The disk of one machine: takes its time, fails, hangs, fills up, and forgets what was not synced when the power goes.

import { dirname } from 'node:path';

import type { Random } from '../../src/base/random.ts';
import { randomBelow } from '../../src/base/random.ts';
import {
  type FileSystem,
  type OpenFile,
  type OpenMode,
  type Outcome,
  writeAndSync,
} from '../../src/raft/wal/file-system.ts';
import type { Done } from '../../src/raft/ports.ts';
import { DiskImage, Inode } from './disk-image.ts';
import { exponential } from './prng.ts';
import type { Process } from './process.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Operations that change the disk. */
export type DiskOperationKind = 'create' | 'write' | 'datasync' | 'rename' | 'remove' | 'syncDirectory';

export interface DiskParts {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly random: Random;
  readonly who: number;
  /** Mean duration of a sync; other operations take a tenth of it. */
  readonly syncUs: number;
  /** The operation of the armed crash was reached. */
  readonly onCrashPoint: () => void;
}

/** A change under way. Its effect lands when it completes; when the process dies before, anything between. */
interface Operation {
  readonly kind: DiskOperationKind;
  readonly path: string;
  readonly process: Process;
  readonly done: Done;
  readonly land: () => void;
  /** The effect of a failed or interrupted operation. */
  readonly landPartly: () => void;
}

/** An error with a system code, as `node:fs` makes them. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: 'EIO' | 'ENOSPC' | 'ENOENT' | 'EEXIST';
  /** It was to make something durable. */
  readonly isSync: boolean;

  constructor(code: DiskError['code'], path: string, kind?: Operation['kind']) {
    super(`${code}: simulated, '${path}'`);
    this.code = code;
    this.isSync = kind === 'datasync' || kind === 'syncDirectory';
  }
}

export class SimulatedDisk {
  readonly #parts: DiskParts;
  readonly image = new DiskImage();
  readonly #pending = new Set<Operation>();
  /** What waits for a hanging disk to answer; null when it does not hang. */
  #hung: (() => void)[] | null = null;
  #operationsToCrash = 0;
  /** The next operation of this kind fails with EIO. */
  failNext: DiskOperationKind | null = null;
  capacityBytes = Number.POSITIVE_INFINITY;

  constructor(parts: DiskParts) {
    this.#parts = parts;
  }

  /** The disk as `process` uses it. */
  attach(process: Process): FileSystem {
    const soon = (run: () => void): void => this.#delay('disk.read', this.#parts.syncUs / 20, process, run);
    return {
      ensureDirectory: (_path, done) => soon(() => done(null)),
      list: (directory, done) => soon(() => done(this.#list(directory))),
      open: (path, mode, done) => this.#open(process, { path, mode }, done),
      rename: (from, to, done) => this.#rename(process, { from, to }, done),
      remove: (path, done) => this.#remove(process, path, done),
      syncDirectory: (path, done) => {
        const covered = this.image.changesOf(path);
        const land = (): void => this.image.settle(covered);
        const landPartly = (): void => this.image.settle(covered.slice(0, this.#below(covered.length + 1)));
        this.#issue({ kind: 'syncDirectory', path, process, done, land, landPartly });
      },
      freeBytes: (_path, done) => soon(() => done(this.#freeBytes)),
      defer: (callback) => process.scheduler.afterPoll(callback),
    };
  }

  /** Kills the process at the `count`th operation from now (1 is the next). */
  armCrash(count: number): void {
    this.#operationsToCrash = count;
  }

  /** Operations issued from now on, and syncs under way, wait for `unhang`. */
  hang(): void {
    this.#hung ??= [];
  }

  unhang(): void {
    const hung = this.#hung ?? [];
    this.#hung = null;
    for (const resume of hung) resume();
  }

  /** Ends every disturbance. */
  heal(): void {
    this.failNext = null;
    this.capacityBytes = Number.POSITIVE_INFINITY;
    this.#operationsToCrash = 0;
    this.unhang();
  }

  /** The process died: each operation under way happened, or not, or in part. The page cache stays. */
  settlePending(): void {
    this.#operationsToCrash = 0;
    for (const operation of this.#pending) {
      const outcome = this.#below(3);
      if (outcome === 0) operation.land();
      else if (outcome === 1) operation.landPartly();
    }
    this.#pending.clear();
  }

  /** The machine lost its power; the process is dead. */
  losePower(): void {
    this.settlePending();
    this.image.losePower(this.#parts.random);
  }

  #list(directory: string): readonly string[] {
    const prefix = `${directory}/`;
    return [...this.image.paths()]
      .filter((path) => dirname(path) === directory)
      .map((path) => path.slice(prefix.length));
  }

  #open(
    process: Process,
    target: { readonly path: string; readonly mode: OpenMode },
    done: Outcome<OpenFile>,
  ): void {
    const { path, mode } = target;
    const found = this.image.get(path);
    if (mode === 'read' || mode === 'update' || (mode === 'create' && found !== undefined)) {
      const code = found === undefined ? 'ENOENT' : 'EEXIST';
      const result =
        found === undefined || mode === 'create'
          ? new DiskError(code, path)
          : this.#file(process, path, found);
      this.#delay('disk.open', this.#parts.syncUs / 20, process, () => done(result));
      return;
    }
    const inode = new Inode();
    const land = (): void => this.image.change(dirname(path), new Map([[path, inode]]));
    this.#issue({
      kind: 'create',
      path,
      process,
      done: (error) => done(error ?? this.#file(process, path, inode)),
      land,
      landPartly: () => undefined,
    });
  }

  #rename(process: Process, names: { readonly from: string; readonly to: string }, done: Done): void {
    const { from, to } = names;
    const inode = this.image.get(from);
    const change = new Map<string, Inode | null>([[from, null]]);
    if (inode !== undefined) change.set(to, inode);
    const land = (): void => this.image.change(dirname(to), change);
    const answer = inode === undefined ? (): void => done(new DiskError('ENOENT', from)) : done;
    this.#issue({ kind: 'rename', path: to, process, done: answer, land, landPartly: () => undefined });
  }

  #remove(process: Process, path: string, done: Done): void {
    const missing = this.image.get(path) === undefined;
    const land = (): void => this.image.change(dirname(path), new Map([[path, null]]));
    const answer = missing ? (): void => done(new DiskError('ENOENT', path)) : done;
    this.#issue({ kind: 'remove', path, process, done: answer, land, landPartly: () => undefined });
  }

  #file(process: Process, path: string, inode: Inode): OpenFile {
    const soon = (run: () => void): void => this.#delay('disk.read', this.#parts.syncUs / 20, process, run);
    const file: OpenFile = {
      read: (into, position, done) => {
        const content = inode.cache.view();
        const count = content.copy(into, 0, Math.min(position, content.length));
        soon(() => done(count));
      },
      write: (bytes, position, done) => this.#write(process, path, { inode, bytes, position }, done),
      datasync: (done) => {
        const covered = [...inode.dirty];
        const land = (): void => inode.settle(covered);
        const landPartly = (): void => inode.lose(covered, this.#parts.random);
        this.#issue({ kind: 'datasync', path, process, done, land, landPartly });
      },
      writeDurably: (bytes, position, done) => writeAndSync(file, bytes, position, done),
      sizeBytes: (done) => soon(() => done(inode.cache.length)),
      close: (done) => soon(() => done(null)),
    };
    return file;
  }

  #write(
    process: Process,
    path: string,
    write: { readonly inode: Inode; readonly bytes: Uint8Array; readonly position: number },
    done: Done,
  ): void {
    const { inode, position } = write;
    const bytes = Buffer.from(write.bytes);
    const fits = this.#fitting(inode, position, bytes.length);
    const full = fits < bytes.length;
    const land = (): void => inode.write(full ? bytes.subarray(0, fits) : bytes, position);
    const landPartly = (): void => inode.write(bytes.subarray(0, this.#below(fits + 1)), position);
    const answer = full ? (error: Error | null): void => done(error ?? new DiskError('ENOSPC', path)) : done;
    this.#issue({ kind: 'write', path, process, done: answer, land, landPartly });
  }

  /** How many of `count` bytes at `position` the disk has room for. */
  #fitting(inode: Inode, position: number, count: number): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return count;
    const growth = Math.max(0, position + count - inode.cache.length);
    return count - Math.max(0, growth - this.#freeBytes);
  }

  get #freeBytes(): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return this.capacityBytes;
    return Math.max(0, this.capacityBytes - this.image.usedBytes);
  }

  #issue(operation: Operation): void {
    const { kind, path, process } = operation;
    if (!process.alive) return;
    const { time, trace, who, syncUs, random } = this.#parts;
    trace.event(kind, who);
    trace.say(who, () => `disk ${kind} ${path}`);
    this.#pending.add(operation);
    if (this.#operationsToCrash > 0) {
      this.#operationsToCrash -= 1;
      if (this.#operationsToCrash === 0) {
        this.#parts.onCrashPoint();
        return;
      }
    }
    const fails = this.failNext === kind;
    if (fails) this.failNext = null;
    const slow = kind === 'datasync' || kind === 'syncDirectory';
    const durationUs = exponential(random, slow ? syncUs : syncUs / 10) + 5;
    time.after(durationUs, 'disk', who, () => this.#complete(operation, fails));
  }

  #complete(operation: Operation, fails: boolean): void {
    if (!this.#pending.has(operation)) return;
    if (this.#hung !== null) {
      this.#hung.push(() => this.#complete(operation, fails));
      return;
    }
    this.#pending.delete(operation);
    if (fails) operation.landPartly();
    else operation.land();
    const { kind, path, process, done } = operation;
    if (fails) this.#parts.trace.say(process.who, () => `disk ${kind} ${path} fails`);
    process.deliver(() => done(fails ? new DiskError('EIO', path, kind) : null));
  }

  /** Something that changes nothing: it only takes a while. */
  #delay(name: string, meanUs: number, process: Process, run: () => void): void {
    if (!process.alive) return;
    const { time, random, who } = this.#parts;
    time.after(exponential(random, meanUs) + 1, name, who, () => process.deliver(run));
  }

  #below(bound: number): number {
    return randomBelow(this.#parts.random, bound);
  }

  /**
   * Flips one bit of the log or of a snapshot, where the loss can be told from a torn write: not in the last synced write
   * to a segment, whose damage no log can tell from a crash. Returns the path, or null when there is nothing to damage.
   */
  rot(): string | null {
    const places: { readonly path: string; readonly inode: Inode; readonly bytes: number }[] = [];
    for (const path of this.image.paths()) {
      const inode = this.image.get(path);
      if (inode === undefined || path.endsWith('.tmp')) continue;
      const bytes = path.endsWith('.snap') ? inode.durable.length : inode.lastWriteAt;
      if (bytes > 0) places.push({ path, inode, bytes });
    }
    const place = places[this.#below(Math.max(1, places.length))];
    if (place === undefined) return null;
    const at = this.#below(place.bytes);
    const flip = 1 << this.#below(8);
    for (const content of [place.inode.durable.view(), place.inode.cache.view()]) {
      const byte = content[at];
      if (byte !== undefined) content[at] = byte ^ flip;
    }
    this.#parts.trace.say(this.#parts.who, () => `bit rot in ${place.path} at byte ${at}`);
    return place.path;
  }
}
