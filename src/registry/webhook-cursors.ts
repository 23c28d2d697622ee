// How far each webhook was told.

import { err, ok, type Result } from '../base/result.ts';
import type { Key, Store } from '../store/types.ts';
import type { EventCursor } from '../topology/event.ts';
import type { ChangeError } from '../topology/record.ts';
import type { Committer } from './committer.ts';
import { packRecord, readRecord } from './record-fields.ts';

const PREFIX = 'webhook/';
const CURSOR_VERSION = 1;

export function cursorKey(name: string): Key {
  return PREFIX + name;
}

export function encodeCursor({ revision, key }: EventCursor): Uint8Array {
  return packRecord(CURSOR_VERSION, [revision, key]);
}

export class WebhookCursors {
  readonly #store: Store;
  readonly #committer: Committer;

  constructor({ store, committer }: { readonly store: Store; readonly committer: Committer }) {
    this.#store = store;
    this.#committer = committer;
  }

  /** Null for a webhook that is not recorded. */
  get(name: string): EventCursor | null {
    const stored = this.#store.get(cursorKey(name));
    if (stored === null) return null;
    return readRecord(stored, CURSOR_VERSION, (fields) => ({
      revision: fields.number(),
      key: fields.text(),
    }));
  }

  /** Refused unless this member leads exactly `term`, and with `missing` when the webhook was removed. */
  async advance(name: string, cursor: EventCursor, term: number): Promise<Result<void, ChangeError>> {
    const committed = await this.#committer.commit(() => {
      const stored = this.#store.get(cursorKey(name));
      if (stored === null) return err({ kind: 'missing' });
      const { key, revision } = stored;
      return ok({ compare: [{ key, revision }], put: [{ key, value: encodeCursor(cursor) }], remove: [] });
    }, term);
    return committed.ok ? ok(undefined) : committed;
  }
}
