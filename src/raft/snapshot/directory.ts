// The snapshots of one member: saved, received, loaded, sent and pruned in one folder.

import { join } from 'node:path';

import type { SnapshotMeta } from '../core/types.ts';
import type { Done, SnapshotFile, SnapshotStore } from '../ports.ts';
import type { FileSystem, Outcome } from '../wal/file-system.ts';
import { taskPromise } from '../wal/task.ts';
import { type Task, completion, outcome, pause, runSteps, runTask } from '../../base/task.ts';
import { SnapshotDamaged, SnapshotUnsupported } from './errors.ts';
import { SnapshotFileReader, readSnapshot, readSnapshotPieces } from './file-reader.ts';
import { SnapshotFileWriter } from './file-writer.ts';
import { isSnapshotName, snapshotName } from './format.ts';
import { type IncomingSnapshot, IncomingFile } from './incoming.ts';
import { NameLock } from './name-lock.ts';
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

/** A whole, synced temporary file that is to get its name. */
interface Publication {
  readonly temporary: string;
  readonly meta: SnapshotMeta;
  readonly bytes: number;
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
  /** Held while a file gets or loses the name of a snapshot, and for what is decided by that name. */
  readonly #names = new NameLock();
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
    const wasNewest = this.#newest?.path === file.path;
    // From now on nobody who receives it again is told that it is here.
    this.#received.delete(snapshotName(file.meta));
    runSteps(this.#names.alone(this.#discard(file, wasNewest)), done);
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
    const { meta } = snapshot;
    return yield* this.#complete(writer, (bytes) => this.#publishOwn({ temporary, meta, bytes }));
  }

  *#completeReceived(writer: SnapshotFileWriter, temporary: string, meta: SnapshotMeta): Task<SnapshotFile> {
    if (this.#known(meta) === null) {
      const publish = (bytes: number): Task<SnapshotFile | null> =>
        this.#publishReceived({ temporary, meta, bytes });
      const file = yield* this.#complete(writer, publish);
      if (file !== null) return file;
    }
    yield* writer.abandon();
    // Meanwhile it may have been discarded, or replaced as the newest and pruned: then the leader has to send it again.
    const known = this.#known(meta);
    if (known !== null) return known;
    throw new Error(`the snapshot of entry ${meta.index} was here already and has gone meanwhile`);
  }

  /** The snapshot of the same position that is here and has not been decided against. */
  #known(meta: SnapshotMeta): SnapshotFile | null {
    const name = snapshotName(meta);
    if (this.#newest !== null && snapshotName(this.#newest.meta) === name) return this.#newest;
    return this.#received.get(name) ?? null;
  }

  /** Ends the file and lets `publish` give it its name; removes it when that fails before the rename. */
  *#complete<T>(writer: SnapshotFileWriter, publish: (bytes: number) => Task<T>): Task<T> {
    try {
      const bytes = yield* writer.end();
      return yield* this.#names.alone(publish(bytes));
    } catch (error) {
      yield* writer.abandon();
      throw error;
    }
  }

  *#publishOwn(publication: Publication): Task<SnapshotFile> {
    const file = yield* this.#publish(publication);
    this.accept(file);
    return file;
  }

  /** Null, and nothing done, when the same snapshot has come to be here since it began to arrive. */
  *#publishReceived(publication: Publication): Task<SnapshotFile | null> {
    if (this.#known(publication.meta) !== null) return null;
    const file = yield* this.#publish(publication);
    this.#received.set(snapshotName(file.meta), file);
    return file;
  }

  *#publish({ temporary, meta, bytes }: Publication): Task<SnapshotFile> {
    const path = join(this.#directory, snapshotName(meta));
    yield* completion((done) => this.#fileSystem.rename(temporary, path, done));
    yield* completion((done) => this.#fileSystem.syncDirectory(this.#directory, done));
    return { meta, bytes, path };
  }

  *#older(file: SnapshotFile): Task<SnapshotFile | null> {
    const names = yield* outcome<readonly string[]>((done) => this.#fileSystem.list(this.#directory, done));
    const { newest } = yield* newestWhole(
      this.#options,
      names.filter((name) => name < snapshotName(file.meta)),
    );
    return newest;
  }

  /** `wasNewest`: as of the call; what was published under that name since is another file, which somebody relies on. */
  *#discard(file: SnapshotFile, wasNewest: boolean): Task<void> {
    const isNewest = this.#newest?.path === file.path;
    if (this.#received.has(snapshotName(file.meta)) || (isNewest && !wasNewest)) {
      yield* pause((callback) => this.#fileSystem.defer(callback));
      return;
    }
    if (isNewest) this.#newest = yield* this.#older(file);
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
