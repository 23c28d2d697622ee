// The snapshots of one member: saved, received, loaded, sent and pruned in one folder.

import { join } from 'node:path';

import type { SnapshotMeta } from '../core/types.ts';
import type { Done, SnapshotFile, SnapshotStore } from '../ports.ts';
import type { FileSystem, Outcome } from '../wal/file-system.ts';
import { type Task, completion, outcome, runSteps, runTask, taskPromise } from '../wal/task.ts';
import { SnapshotDamaged, SnapshotUnsupported } from './errors.ts';
import { SnapshotFileReader, readSnapshot } from './file-reader.ts';
import { SnapshotFileWriter } from './file-writer.ts';
import { isSnapshotName, snapshotName } from './format.ts';
import { type IncomingSnapshot, IncomingFile } from './incoming.ts';

const TEMPORARY = '.tmp';

export interface SnapshotOptions {
  readonly fileSystem: FileSystem;
  /** The folder of the snapshots; made when missing. */
  readonly directory: string;
}

export interface OpenedSnapshots {
  readonly snapshots: SnapshotDirectory;
  /** Newer than the newest whole one and not usable: reported, kept, never used. */
  readonly damaged: readonly (SnapshotDamaged | SnapshotUnsupported)[];
}

/** Opens the folder and verifies the newest snapshot byte by byte; older ones only when it is damaged. */
export function openSnapshots(options: SnapshotOptions): Promise<OpenedSnapshots> {
  return taskPromise(openSnapshotsTask(options));
}

/** `openSnapshots` for a caller that owns the order of events, such as a simulator. */
export function* openSnapshotsTask(options: SnapshotOptions): Task<OpenedSnapshots> {
  const { fileSystem, directory } = options;
  yield* completion((done) => fileSystem.ensureDirectory(directory, done));
  // A rename the last process made may not be durable yet, and this process will rely on it.
  yield* completion((done) => fileSystem.syncDirectory(directory, done));
  const names = yield* outcome<readonly string[]>((done) => fileSystem.list(directory, done));
  const newestFirst = names.filter(isSnapshotName).sort().reverse();
  const damaged: (SnapshotDamaged | SnapshotUnsupported)[] = [];
  for (const name of newestFirst) {
    const path = join(directory, name);
    try {
      const { meta, bytes } = yield* readSnapshot(fileSystem, path, () => undefined);
      if (snapshotName(meta) !== name) throw new SnapshotDamaged(path, 0, 'the file holds another snapshot');
      return { snapshots: new SnapshotDirectory(options, { meta, bytes, path }), damaged };
    } catch (error) {
      if (!(error instanceof SnapshotDamaged || error instanceof SnapshotUnsupported)) throw error;
      damaged.push(error);
    }
  }
  return { snapshots: new SnapshotDirectory(options, null), damaged };
}

/** What `save` was given. */
interface SnapshotSource {
  readonly meta: SnapshotMeta;
  readonly chunks: Iterable<Uint8Array>;
}

/** `SnapshotStore` in a folder, with a way in and a way out for the network. A failed save or receive leaves no trace. */
export class SnapshotDirectory implements SnapshotStore {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  /** Temporary files in use: not to be pruned. */
  readonly #writing = new Set<string>();
  #newest: SnapshotFile | null;
  #nextTemporary = 1;

  constructor(options: SnapshotOptions, newest: SnapshotFile | null) {
    this.#fileSystem = options.fileSystem;
    this.#directory = options.directory;
    this.#newest = newest;
  }

  newest(): SnapshotFile | null {
    return this.#newest;
  }

  save(meta: SnapshotMeta, chunks: Iterable<Uint8Array>, done: Outcome<SnapshotFile>): void {
    const temporary = this.#temporary();
    const writer = new SnapshotFileWriter(this.#fileSystem, temporary, meta);
    runTask(this.#save(writer, temporary, { meta, chunks }), (result) => {
      this.#writing.delete(temporary);
      done(result);
    });
  }

  load(file: SnapshotFile, onChunk: (chunk: Uint8Array) => void, done: Done): void {
    runSteps(readSnapshot(this.#fileSystem, file.path, onChunk), done);
  }

  prune(done: Done): void {
    runSteps(this.#prune(), done);
  }

  /** Takes in a snapshot from the network. Nothing is visible before `finish` has verified every byte. */
  receive(meta: SnapshotMeta): IncomingSnapshot {
    const temporary = this.#temporary();
    const writer = new SnapshotFileWriter(this.#fileSystem, temporary, meta);
    return new IncomingFile({
      writer,
      publish: () => this.#complete(writer, temporary, meta),
      ended: () => this.#writing.delete(temporary),
    });
  }

  /**
   * The verified chunks of `file` in order, the next one read only when asked for. Throws when the file is damaged or
   * gone; a file that is pruned meanwhile can still be read to its end.
   */
  async *read(file: SnapshotFile): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = await taskPromise(SnapshotFileReader.open(this.#fileSystem, file.path));
    try {
      for (;;) {
        const chunk = await taskPromise(reader.next());
        if (chunk === null) return;
        yield chunk;
      }
    } finally {
      await taskPromise(reader.close());
    }
  }

  *#save(writer: SnapshotFileWriter, temporary: string, snapshot: SnapshotSource): Task<SnapshotFile> {
    try {
      for (const chunk of snapshot.chunks) yield* writer.chunk(chunk);
    } catch (error) {
      yield* writer.abandon();
      throw error;
    }
    return yield* this.#complete(writer, temporary, snapshot.meta);
  }

  /** Ends the file and gives it its name; removes it when that fails before the rename. */
  *#complete(writer: SnapshotFileWriter, temporary: string, meta: SnapshotMeta): Task<SnapshotFile> {
    try {
      const bytes = yield* writer.end();
      return yield* this.#publish(temporary, { meta, bytes });
    } catch (error) {
      yield* writer.abandon();
      throw error;
    }
  }

  /** Gives a whole, synced temporary file its name. */
  *#publish(
    temporary: string,
    snapshot: { readonly meta: SnapshotMeta; readonly bytes: number },
  ): Task<SnapshotFile> {
    const path = join(this.#directory, snapshotName(snapshot.meta));
    yield* completion((done) => this.#fileSystem.rename(temporary, path, done));
    yield* completion((done) => this.#fileSystem.syncDirectory(this.#directory, done));
    const file = { ...snapshot, path };
    if (this.#newest === null || snapshotName(this.#newest.meta) <= snapshotName(file.meta))
      this.#newest = file;
    return file;
  }

  /** Unusable files newer than the newest whole one stay: they are evidence until something newer replaces them. */
  *#prune(): Task<void> {
    // What is the newest now stays, also when a newer one arrives meanwhile: it may be about to be installed.
    const newest = this.#newest === null ? '' : snapshotName(this.#newest.meta);
    const names = yield* outcome<readonly string[]>((done) => this.#fileSystem.list(this.#directory, done));
    for (const name of names) {
      const path = join(this.#directory, name);
      const superseded = isSnapshotName(name) && name < newest;
      const abandoned = name.endsWith(TEMPORARY) && !this.#writing.has(path);
      if (superseded || abandoned) yield* completion((done) => this.#fileSystem.remove(path, done));
    }
    yield* completion((done) => this.#fileSystem.syncDirectory(this.#directory, done));
  }

  #temporary(): string {
    const path = join(this.#directory, `writing-${this.#nextTemporary}${TEMPORARY}`);
    this.#nextTemporary += 1;
    this.#writing.add(path);
    return path;
  }
}
