// The snapshots of one member: saved, received, loaded, sent and pruned in one folder.

import { join } from 'node:path';

import type { SnapshotMeta } from '../core/types.ts';
import type { Done, SnapshotFile, SnapshotStore } from '../ports.ts';
import type { FileSystem, Outcome } from '../wal/file-system.ts';
import { taskPromise } from '../wal/task.ts';
import { type Task, completion, outcome, runSteps, runTask } from '../../base/task.ts';
import { SnapshotDamaged, SnapshotUnsupported } from './errors.ts';
import { SnapshotFileReader, readSnapshot, readSnapshotPieces } from './file-reader.ts';
import { SnapshotFileWriter } from './file-writer.ts';
import { isSnapshotName, snapshotName } from './format.ts';
import { type IncomingSnapshot, IncomingFile } from './incoming.ts';
import { type SnapshotReading, OpenReading, awaitedChunks } from './reading.ts';

const TEMPORARY = '.tmp';
/** Where a refused file goes until the next pruning; the one before it makes room. */
const SET_ASIDE = `refused${TEMPORARY}`;

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
  const { newest, damaged } = yield* newestWhole(options, names);
  return { snapshots: new SnapshotDirectory(options, newest), damaged };
}

/** The newest of the files `names` that is whole, and those before it that are not. */
function* newestWhole(
  { fileSystem, directory }: SnapshotOptions,
  names: readonly string[],
): Task<{ readonly newest: SnapshotFile | null; readonly damaged: OpenedSnapshots['damaged'] }> {
  const damaged: (SnapshotDamaged | SnapshotUnsupported)[] = [];
  for (const name of names.filter(isSnapshotName).sort().reverse()) {
    const path = join(directory, name);
    try {
      const { meta, bytes } = yield* readSnapshot(fileSystem, path);
      if (snapshotName(meta) !== name) throw new SnapshotDamaged(path, 0, 'the file holds another snapshot');
      return { newest: { meta, bytes, path }, damaged };
    } catch (error) {
      if (!(error instanceof SnapshotDamaged || error instanceof SnapshotUnsupported)) throw error;
      damaged.push(error);
    }
  }
  return { newest: null, damaged };
}

/** What `save` was given. */
interface SnapshotSource {
  readonly meta: SnapshotMeta;
  readonly chunks: Iterable<Uint8Array>;
}

/** `SnapshotStore` in a folder, with a way in and a way out for the network. A failed save or receive leaves no trace. */
export class SnapshotDirectory implements SnapshotStore {
  readonly #options: SnapshotOptions;
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  /** Received and neither accepted nor discarded yet, by name. */
  readonly #received = new Map<string, SnapshotFile>();
  /** Temporary files in use: not to be pruned. */
  readonly #writing = new Set<string>();
  #newest: SnapshotFile | null;
  #nextTemporary = 1;

  constructor(options: SnapshotOptions, newest: SnapshotFile | null) {
    this.#options = options;
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

  load(file: SnapshotFile, onPiece: (piece: Uint8Array) => void, done: Done): void {
    runSteps(readSnapshotPieces(this.#fileSystem, file.path, onPiece), done);
  }

  older(file: SnapshotFile, done: Outcome<SnapshotFile | null>): void {
    runTask(this.#older(file), done);
  }

  accept(file: SnapshotFile): void {
    this.#received.delete(snapshotName(file.meta));
    if (this.#newest === null || snapshotName(this.#newest.meta) <= snapshotName(file.meta))
      this.#newest = file;
  }

  discard(file: SnapshotFile, done: Done): void {
    runSteps(this.#discard(file), done);
  }

  prune(done: Done): void {
    runSteps(this.#prune(), done);
  }

  /**
   * Takes in a snapshot from the network. Nothing is visible before `finish` has verified every byte, and the result is not
   * the newest snapshot before it is accepted. One that is here already is not replaced: `finish` names the one that is.
   */
  receive(meta: SnapshotMeta): IncomingSnapshot {
    const temporary = this.#temporary();
    const writer = new SnapshotFileWriter(this.#fileSystem, temporary, meta);
    return new IncomingFile({
      writer,
      publish: () => this.#completeReceived(writer, temporary, meta),
      ended: () => this.#writing.delete(temporary),
    });
  }

  /** Opens `file` to be read chunk by chunk at the caller's pace; one that is pruned meanwhile can be read to its end. */
  open(file: SnapshotFile, done: Outcome<SnapshotReading>): void {
    runTask(SnapshotFileReader.open(this.#fileSystem, file.path), (reader) => {
      done(reader instanceof Error ? reader : new OpenReading(reader));
    });
  }

  /** `open` and everything after it, for callers that await. Throws when the file is damaged or gone. */
  read(file: SnapshotFile): AsyncGenerator<Uint8Array, void, undefined> {
    return awaitedChunks(this, file);
  }

  *#save(writer: SnapshotFileWriter, temporary: string, snapshot: SnapshotSource): Task<SnapshotFile> {
    try {
      for (const chunk of snapshot.chunks) yield* writer.chunk(chunk);
    } catch (error) {
      yield* writer.abandon();
      throw error;
    }
    const file = yield* this.#complete(writer, temporary, snapshot.meta);
    this.accept(file);
    return file;
  }

  *#completeReceived(writer: SnapshotFileWriter, temporary: string, meta: SnapshotMeta): Task<SnapshotFile> {
    const name = snapshotName(meta);
    const newest = this.#newest !== null && snapshotName(this.#newest.meta) === name ? this.#newest : null;
    const known = newest ?? this.#received.get(name) ?? null;
    if (known !== null) {
      yield* writer.abandon();
      return known;
    }
    const file = yield* this.#complete(writer, temporary, meta);
    this.#received.set(name, file);
    return file;
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
    return { ...snapshot, path };
  }

  *#older(file: SnapshotFile): Task<SnapshotFile | null> {
    const names = yield* outcome<readonly string[]>((done) => this.#fileSystem.list(this.#directory, done));
    const { newest } = yield* newestWhole(
      this.#options,
      names.filter((name) => name < snapshotName(file.meta)),
    );
    return newest;
  }

  *#discard(file: SnapshotFile): Task<void> {
    if (this.#newest?.path === file.path) this.#newest = yield* this.#older(file);
    this.#received.delete(snapshotName(file.meta));
    const setAside = join(this.#directory, SET_ASIDE);
    yield* ifThere(completion((done) => this.#fileSystem.rename(file.path, setAside, done)));
    yield* completion((done) => this.#fileSystem.syncDirectory(this.#directory, done));
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
      if (!superseded && !abandoned) continue;
      yield* ifThere(completion((done) => this.#fileSystem.remove(path, done)));
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

/** Setting aside and pruning may meet: what one of them took away is not missed by the other. */
function* ifThere(task: Task<void>): Task<void> {
  try {
    yield* task;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
