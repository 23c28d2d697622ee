// What the members say of themselves: leader and term, how far they applied, and whether their states are the same in the end.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Level } from 'level';

import type { Group } from './group.ts';
import { HttpClient } from './http-client.ts';

const POLL_MS = 50;
const TIMEOUT_MS = 1000;
const APPLIED = /^kvrocks_controller_raft_applied_index\S* (\d+)$/m;
const TERM = /"leader":(?:null|\{"id":(\d+)[^}]*\}),"term":(\d+)/;

export interface LeaderView {
  /** Null when nobody answered that knows one. */
  readonly id: number | null;
  /** The highest term heard of. */
  readonly term: number;
}

/** Asks members about themselves. */
export class GroupView {
  readonly #group: Group;
  readonly #http = new HttpClient(TIMEOUT_MS);

  constructor(group: Group) {
    this.#group = group;
  }

  /** The leader of the highest term that a member which can be asked knows. */
  async leader(): Promise<LeaderView> {
    const texts = await this.#askAll('/api/v1/controller/leader');
    let best: LeaderView = { id: null, term: 0 };
    for (const text of texts) {
      const match = TERM.exec(text ?? '');
      if (match === null) continue;
      const [, id, term] = match;
      if (Number(term) > best.term || (Number(term) === best.term && best.id === null))
        best = { id: id === undefined ? null : Number(id), term: Number(term) };
    }
    return best;
  }

  /** Waits until all members serve and know the leader; false when that takes longer than `deadlineMs`. */
  async ready(deadlineMs: number): Promise<boolean> {
    return this.#until(deadlineMs, async () =>
      (await this.#askAll('/readyz')).every((text) => text !== null),
    );
  }

  /** Waits until all members have applied the same entries; the index, or null after `deadlineMs`. */
  async sameApplied(deadlineMs: number): Promise<number | null> {
    let index: number | null = null;
    await this.#until(deadlineMs, async () => {
      const texts = await this.#askAll('/metrics');
      const [first, ...others] = texts.map((text) => APPLIED.exec(text ?? '')?.[1]);
      index = first !== undefined && others.every((other) => other === first) ? Number(first) : null;
      return index !== null;
    });
    return index;
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  /** Bodies with status 200, null for every other end; hanging members cost a second. */
  async #askAll(path: string): Promise<readonly (string | null)[]> {
    return Promise.all(
      this.#group.members.map(async (member) => {
        if (!member.isRunning || member.isPaused) return null;
        const answer = await this.#http.send(member.url, { method: 'GET', path });
        return answer.kind === 'answered' && answer.status === 200 ? answer.text : null;
      }),
    );
  }

  async #until(deadlineMs: number, condition: () => Promise<boolean>): Promise<boolean> {
    const end = performance.now() + deadlineMs;
    while (performance.now() < end) {
      if (await condition()) return true;
      await sleep(POLL_MS);
    }
    return false;
  }
}

/** What lies in the data directory of a stopped member. */
export interface StoredState {
  readonly id: number;
  readonly recordCount: number;
  /** SHA-256 over every record: keys, values, revisions, recorded requests. */
  readonly digest: string;
}

/** The record that names the entry up to which the others were made; it may differ by entries without effect. */
const POSITION_KEY = 'meta';

/** Reads the states of all members, which must have ended in order. Throws when one cannot be read. */
export async function storedStates(group: Group): Promise<readonly StoredState[]> {
  return Promise.all(
    group.members.map(async ({ id, dataDir }) => {
      const database: Level<string, Uint8Array> = new Level(join(dataDir, 'state'), {
        keyEncoding: 'utf8',
        valueEncoding: 'view',
        compression: false,
        createIfMissing: false,
      });
      const digest = createHash('sha256');
      let recordCount = 0;
      try {
        for await (const [key, value] of database.iterator()) {
          if (key === POSITION_KEY) continue;
          recordCount += 1;
          digest.update(`${key.length} ${key} ${value.length} `).update(value);
        }
      } finally {
        await database.close();
      }
      return { id, recordCount, digest: digest.digest('hex').slice(0, 16) };
    }),
  );
}
