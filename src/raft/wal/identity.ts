// Who a data directory belongs to: written once at first boot, checked at every start.

import { join } from 'node:path';

import { z } from 'zod';

import type { Clock } from '../../base/clock.ts';
import { type Random, randomHex } from '../../base/random.ts';
import type { MemberId } from '../core/types.ts';
import { IdentityRefused } from './errors.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { INCARNATION_BYTES } from './format.ts';
import { type Task, completion, outcome } from './task.ts';

export const IDENTITY_FILE = 'identity.json';
const FORMAT = 1;
const FILE_BYTES_MAX = 4096;

/**
 * `state` is `initialising` until the member's log exists. What it names was never in use before `ready`, so a first
 * boot that was interrupted can start over; from then on, identity and log only come together.
 */
const identitySchema = z.strictObject({
  format: z.literal(FORMAT),
  memberId: z.int().positive(),
  incarnation: z.string().regex(/^[0-9a-f]{32}$/),
  createdAt: z.iso.datetime(),
  state: z.enum(['initialising', 'ready']),
});

/** `incarnation`: 128 random bits in hexadecimal, new for every data directory. `createdAt`: ISO 8601, for people. */
export type Identity = z.infer<typeof identitySchema>;

/** A new identity, not yet written. */
export function createIdentity(
  member: MemberId,
  sources: { readonly clock: Clock; readonly random: Random },
): Identity {
  return {
    format: FORMAT,
    memberId: member,
    incarnation: randomHex(sources.random, INCARNATION_BYTES * 2),
    createdAt: new Date(sources.clock.wallMs()).toISOString(),
    state: 'initialising',
  };
}

/** The identity in `directory`; null when there is none. Throws `IdentityRefused` when it is not `member`'s. */
export function* readIdentity(
  fileSystem: FileSystem,
  directory: string,
  member: MemberId,
): Task<Identity | null> {
  const names = yield* outcome<readonly string[]>((done) => fileSystem.list(directory, done));
  if (!names.includes(IDENTITY_FILE)) return null;
  const path = join(directory, IDENTITY_FILE);
  const identity = parseIdentity(path, yield* readText(fileSystem, path));
  if (identity.memberId === member) return identity;
  const text = `this data directory belongs to member ${identity.memberId}, the configuration says member ${member}. Correct the member id or the data directory in the configuration.`;
  throw new IdentityRefused(path, 'otherMember', text);
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

function parseIdentity(path: string, text: string): Identity {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new IdentityRefused(path, 'unreadable', 'the identity file is not valid JSON.');
  }
  const parsed = identitySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const format = z.object({ format: z.int().min(FORMAT + 1) }).safeParse(value);
  if (format.success) {
    const message = `the identity file has format ${format.data.format}, this release reads format ${FORMAT}. Start the release that wrote it, or a newer one.`;
    throw new IdentityRefused(path, 'unsupported', message);
  }
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new IdentityRefused(path, 'unreadable', `the identity file is damaged (field "${field}").`);
}

function* readText(fileSystem: FileSystem, path: string): Task<string> {
  const file = yield* outcome<OpenFile>((done) => fileSystem.open(path, 'read', done));
  const into = Buffer.alloc(FILE_BYTES_MAX);
  const count = yield* outcome<number>((done) => file.read(into, 0, done));
  yield* completion((done) => file.close(done));
  return into.toString('utf8', 0, count);
}
