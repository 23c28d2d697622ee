// Who a data directory belongs to: written once at first boot, checked at every start, closed when its member was removed.

import { join } from 'node:path';

import { z } from 'zod';

import type { Clock } from '../../base/clock.ts';
import { type Random, randomHex } from '../../base/random.ts';
import { type ClusterId, clusterId } from '../cluster-id.ts';
import { type MemberId, incarnation, memberId } from '../core/types.ts';
import { IdentityRefused } from './errors.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { INCARNATION_BYTES } from './format.ts';
import { type Task, completion, outcome } from './task.ts';

export const IDENTITY_FILE = 'identity.json';
/** There while a backup is being restored into the directory: it must not pass for an empty one, nor for a whole one. */
const RESTORING_FILE = 'restore-unfinished';
const RESTORING_TEXT =
  'A backup was being restored into this directory. Empty it and start with --restore again.\n';
/** There while a new group is made out of what the directory held: the name of the folder that keeps that. */
const RECOVERING_FILE = 'recovery-unfinished';
const KEPT_NAME = /^before-recovery-[0-9a-f]{8}$/;
/** 1 had no cluster id; its members knew no incarnations, so nothing of such a group can be carried on. */
const FORMAT = 2;
const FILE_BYTES_MAX = 4096;

const hex128 = z.string().regex(/^[0-9a-f]{32}$/);

/**
 * `state` is `initialising` until the member's log exists. What it names was never in use before `ready`, so a first
 * boot that was interrupted can start over; from then on, identity and log only come together. `removed` is final: the
 * group has forgotten this incarnation and its directory never starts again.
 */
const identitySchema = z.strictObject({
  format: z.literal(FORMAT),
  clusterId: hex128.transform(clusterId),
  memberId: z.int().positive().transform(memberId),
  incarnation: hex128.transform(incarnation),
  createdAt: z.iso.datetime(),
  state: z.enum(['initialising', 'ready', 'removed']),
});

/**
 * `clusterId`: the group's. `incarnation`: 128 random bits in hexadecimal, new for every data directory. `createdAt`:
 * ISO 8601, for people.
 */
export type Identity = z.infer<typeof identitySchema>;

/** Whom the configuration says the directory belongs to. */
export interface ExpectedIdentity {
  /** Null for who only looks. */
  readonly memberId: MemberId | null;
  /** Null when only the directory can tell: `raft.peers` may have changed since the group was founded. */
  readonly clusterId: ClusterId | null;
}

/** A new identity, not yet written. */
export function createIdentity(
  owner: { readonly memberId: MemberId; readonly clusterId: ClusterId },
  sources: { readonly clock: Clock; readonly random: Random },
): Identity {
  return {
    format: FORMAT,
    clusterId: owner.clusterId,
    memberId: owner.memberId,
    incarnation: incarnation(randomHex(sources.random, INCARNATION_BYTES * 2)),
    createdAt: new Date(sources.clock.wallMs()).toISOString(),
    state: 'initialising',
  };
}

/**
 * The identity in `directory`; null when there is none. Throws `IdentityRefused`, with what to do, when it belongs to
 * another member or cluster, to a member that was removed, or to another release, or when it was only half restored or recovered.
 */
export function* readIdentity(
  fileSystem: FileSystem,
  directory: string,
  expected: ExpectedIdentity,
): Task<Identity | null> {
  const path = join(directory, IDENTITY_FILE);
  const identity = yield* load(fileSystem, directory, path);
  if (identity !== null) check(path, identity, expected);
  return identity;
}

/**
 * The name of the folder for what `directory` holds once a new group is made of that. Nothing is moved before it is told to
 * `markRecovering`, so that whatever an interrupted recovery leaves is never started from.
 */
export function keptName({ incarnation: held }: Identity): string {
  return `before-recovery-${held.slice(0, 8)}`;
}

/** Says that what was in `directory` is on its way into its folder `kept`. Said once: to write it anew would leave a moment without it. */
export function* markRecovering(fileSystem: FileSystem, directory: string, kept: string): Task<void> {
  if ((yield* readRecovering(fileSystem, directory)) === kept) return;
  yield* writeMark(fileSystem, { directory, name: RECOVERING_FILE, text: `${kept}\n` });
}

/** Where the interrupted recovery of `directory` keeps what was there; null when none was, or it had not said yet. */
export function* readRecovering(fileSystem: FileSystem, directory: string): Task<string | null> {
  const names = yield* outcome<readonly string[]>((done) => fileSystem.list(directory, done));
  if (!names.includes(RECOVERING_FILE)) return null;
  const text = (yield* readText(fileSystem, join(directory, RECOVERING_FILE))).trim();
  return KEPT_NAME.test(text) ? text : null;
}

/**
 * The same for who holds the directory: a recovery that was interrupted before it could say where has moved nothing, and its mark is taken
 * away.
 */
export function* settleRecovering(fileSystem: FileSystem, directory: string): Task<string | null> {
  const kept = yield* readRecovering(fileSystem, directory);
  const names = yield* outcome<readonly string[]>((done) => fileSystem.list(directory, done));
  if (kept === null && names.includes(RECOVERING_FILE))
    yield* removeMark(fileSystem, directory, RECOVERING_FILE);
  return kept;
}

/** Everything of the new group is durable: from now on the directory starts like any other. */
export function* markRecovered(fileSystem: FileSystem, directory: string): Task<void> {
  yield* removeMark(fileSystem, directory, RECOVERING_FILE);
}

/** Nothing is made in `directory` before this is done, so that whatever an interrupted restore leaves is never started from. */
export function* markRestoring(fileSystem: FileSystem, directory: string): Task<void> {
  yield* writeMark(fileSystem, { directory, name: RESTORING_FILE, text: RESTORING_TEXT });
}

/** Everything restored is durable: from now on the directory starts like any other. */
export function* markRestored(fileSystem: FileSystem, directory: string): Task<void> {
  yield* removeMark(fileSystem, directory, RESTORING_FILE);
}

function* writeMark(
  fileSystem: FileSystem,
  mark: { readonly directory: string; readonly name: string; readonly text: string },
): Task<void> {
  const { directory, name, text } = mark;
  const file = yield* outcome<OpenFile>((done) => fileSystem.open(join(directory, name), 'create', done));
  yield* completion((done) => file.write(Buffer.from(text), 0, done));
  yield* completion((done) => file.datasync(done));
  yield* completion((done) => file.close(done));
  yield* completion((done) => fileSystem.syncDirectory(directory, done));
}

function* removeMark(fileSystem: FileSystem, directory: string, name: string): Task<void> {
  yield* completion((done) => fileSystem.remove(join(directory, name), done));
  yield* completion((done) => fileSystem.syncDirectory(directory, done));
}

/** Makes `identity` the directory's: temporary file, sync, rename, sync of the directory. */
export function* writeIdentity(fileSystem: FileSystem, directory: string, identity: Identity): Task<void> {
  const path = join(directory, IDENTITY_FILE);
  const temporary = `${path}.tmp`;
  const text = Buffer.from(`${JSON.stringify(identity, null, 2)}\n`);
  const file = yield* outcome<OpenFile>((done) => fileSystem.open(temporary, 'replace', done));
  yield* completion((done) => file.write(text, 0, done));
  yield* completion((done) => file.datasync(done));
  yield* completion((done) => file.close(done));
  yield* completion((done) => fileSystem.rename(temporary, path, done));
  yield* completion((done) => fileSystem.syncDirectory(directory, done));
}

/**
 * Records that the group removed this member: every later start is refused with what to do. Idempotent; a directory
 * without an identity stays as it is. The log may be open meanwhile.
 */
export function* markRemoved(fileSystem: FileSystem, directory: string): Task<void> {
  const identity = yield* load(fileSystem, directory, join(directory, IDENTITY_FILE));
  if (identity === null || identity.state === 'removed') return;
  yield* writeIdentity(fileSystem, directory, { ...identity, state: 'removed' });
}

function* load(fileSystem: FileSystem, directory: string, path: string): Task<Identity | null> {
  const names = yield* outcome<readonly string[]>((done) => fileSystem.list(directory, done));
  if (names.includes(RESTORING_FILE)) throw halfRestored(join(directory, RESTORING_FILE), directory);
  if (names.includes(RECOVERING_FILE)) throw halfRecovered(join(directory, RECOVERING_FILE), directory);
  if (!names.includes(IDENTITY_FILE)) return null;
  return parseIdentity(path, yield* readText(fileSystem, path));
}

function check(path: string, identity: Identity, expected: ExpectedIdentity): void {
  if (expected.memberId !== null && identity.memberId !== expected.memberId) {
    const text = `this data directory belongs to member ${identity.memberId}, the configuration says member ${expected.memberId}. Correct the member id or the data directory in the configuration.`;
    throw new IdentityRefused(path, 'otherMember', text);
  }
  if (expected.clusterId !== null && identity.clusterId !== expected.clusterId) {
    const text = `this data directory belongs to cluster ${identity.clusterId}, the configuration leads to cluster ${expected.clusterId}. Correct raft.peers or the data directory in the configuration; to leave the old cluster for good, remove this member there and start with an empty data directory.`;
    throw new IdentityRefused(path, 'otherCluster', text);
  }
  if (identity.state !== 'removed') return;
  const text = `member ${identity.memberId} was removed from its cluster, and this data directory cannot take part again. To bring the controller back, move the directory away, add it under a member id that was never used, and start it with cluster_state: existing and an empty data directory.`;
  throw new IdentityRefused(path, 'removed', text);
}

function parseIdentity(path: string, text: string): Identity {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new IdentityRefused(path, 'unreadable', 'the identity file is not valid JSON.');
  }
  const parsed = identitySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const other = z.object({ format: z.int().positive() }).safeParse(value);
  if (other.success && other.data.format !== FORMAT) throw otherFormat(path, other.data.format);
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new IdentityRefused(path, 'unreadable', `the identity file is damaged (field "${field}").`);
}

function halfRestored(path: string, directory: string): IdentityRefused {
  const text = `restoring a backup into ${directory} was interrupted, so what it holds cannot be started. Empty the directory, or name another empty one, and start with --restore again.`;
  return new IdentityRefused(path, 'halfRestored', text);
}

function halfRecovered(path: string, directory: string): IdentityRefused {
  const text = `making a new group out of ${directory} was interrupted, so what it holds cannot be started. Run the same recover --force-new-group again: it goes on where it was.`;
  return new IdentityRefused(path, 'halfRecovered', text);
}

function otherFormat(path: string, format: number): IdentityRefused {
  if (format > FORMAT) {
    const text = `the identity file has format ${format}, this release reads format ${FORMAT}. Start the release that wrote it, or a newer one.`;
    return new IdentityRefused(path, 'unsupported', text);
  }
  const text = `the identity file has format ${format}, written by a build before the first release, whose groups this release cannot carry on. Move the data directory away on every member, then start with empty directories, or start one from a backup with --restore.`;
  return new IdentityRefused(path, 'outdated', text);
}

function* readText(fileSystem: FileSystem, path: string): Task<string> {
  const file = yield* outcome<OpenFile>((done) => fileSystem.open(path, 'read', done));
  const into = Buffer.alloc(FILE_BYTES_MAX);
  const count = yield* outcome<number>((done) => file.read(into, 0, done));
  yield* completion((done) => file.close(done));
  return into.toString('utf8', 0, count);
}
