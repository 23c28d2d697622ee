// The events of each cluster and of the group: the newest few, written in the transaction of the change they tell of.

import type { Key, Store, StoredValue } from '../store/types.ts';
import {
  type ClusterEvent,
  type EventActor,
  type EventCursor,
  type EventDraft,
  EVENT_LEVELS,
  EVENTS_MAX,
  printEventCursor,
} from '../topology/event.ts';
import type { ClusterPlace } from '../topology/record.ts';
import type { TransactionPlan } from './committer.ts';
import { decodeEvent, encodeEvent } from './event-codec.ts';
import { POLICY_LEVEL } from './feature-level.ts';

const PREFIX = 'event/';
/** No namespace is empty. */
const GROUP_PREFIX = `${PREFIX}/`;
const NUMBER_DIGITS = 12;

export interface EventLogParts {
  readonly store: Store;
  readonly featureLevel: () => number;
  readonly clock: { readonly wallMs: () => number };
}

/** What is told of a change by whoever makes it. */
export interface Told {
  readonly actor: EventActor;
  readonly drafts: readonly EventDraft[];
}

/** What is written with a change. `place`: whose log it goes to; null for the group's. */
export interface EventEntry extends Told {
  readonly place: ClusterPlace | null;
  readonly versions: ClusterEvent['versions'];
}

/** Newest first; `next` is the cursor behind the last one, null at the end. */
export interface EventPage {
  readonly events: readonly ClusterEvent[];
  readonly next: string | null;
}

export interface EventsAfter {
  readonly events: readonly ClusterEvent[];
  /** Where the last of them is; null when there are none. */
  readonly cursor: EventCursor | null;
  /** Events behind the cursor may have been dropped already. */
  readonly isGap: boolean;
}

export interface EventQuery {
  /** Null: all clusters and the group. */
  readonly place: ClusterPlace | null;
  /** Where an earlier page has ended. */
  readonly cursor: EventCursor | null;
  readonly limit: number;
  readonly isWanted: (event: ClusterEvent) => boolean;
}

export class EventLog {
  readonly #parts: EventLogParts;
  readonly #decoded = new WeakMap<StoredValue, ClusterEvent>();

  constructor(parts: EventLogParts) {
    this.#parts = parts;
  }

  /** Whether the group is at a level at which events are stored. */
  get areStored(): boolean {
    return this.#parts.featureLevel() >= POLICY_LEVEL;
  }

  /** What a transaction has to hold to write `entry`: the oldest events make room. Nothing that some member does not know yet. */
  part({ place, drafts: told, actor, versions }: EventEntry): TransactionPlan {
    const { store, clock, featureLevel } = this.#parts;
    const level = featureLevel();
    const drafts = told.filter(({ kind }) => (EVENT_LEVELS[kind] ?? POLICY_LEVEL) <= level);
    if (drafts.length === 0) return { compare: [], put: [], remove: [] };
    const prefix = prefixOf(place);
    const known = store.list(prefix).map(({ key }) => key);
    const last = known.at(-1);
    const first = last === undefined ? 1 : numberOf(last) + 1;
    const context = { actor, versions, atMs: Math.max(0, Math.floor(clock.wallMs())) };
    const put = drafts.map((draft, index) => ({
      key: prefix + String(first + index).padStart(NUMBER_DIGITS, '0'),
      value: encodeEvent(draft, context),
    }));
    return {
      compare: put.map(({ key }) => ({ key, revision: 0 })),
      put,
      remove: known.slice(0, Math.max(0, known.length + put.length - EVENTS_MAX)),
    };
  }

  /** The keys of all events of a cluster, which go with it. */
  keysOf(place: ClusterPlace): readonly Key[] {
    return this.#parts.store.list(prefixOf(place)).map(({ key }) => key);
  }

  /** Local, as all reads are. */
  page({ place, cursor, limit, isWanted }: EventQuery): EventPage {
    const stored = this.#parts.store
      .list(place === null ? PREFIX : prefixOf(place))
      .filter((value) => cursor === null || isOlder(value, cursor))
      .toSorted((left, right) => (isOlder(left, right) ? 1 : -1));
    const events: ClusterEvent[] = [];
    let last: StoredValue | null = null;
    for (const value of stored) {
      const event = this.#read(value);
      if (!isWanted(event)) continue;
      if (events.length === limit) return { events, next: last === null ? null : printEventCursor(last) };
      events.push(event);
      last = value;
    }
    return { events, next: null };
  }

  /** At most `limit` of those behind `cursor`, in the order in which they were committed. */
  after(cursor: EventCursor, limit: number): EventsAfter {
    const all = this.#parts.store.list(PREFIX);
    const newer = all
      .filter((value) => isOlder(cursor, value))
      .toSorted((left, right) => (isOlder(left, right) ? -1 : 1))
      .slice(0, limit);
    const last = newer.at(-1);
    return {
      events: newer.map((value) => this.#read(value)),
      cursor: last === undefined ? null : { revision: last.revision, key: last.key },
      isGap: hasGap(all, cursor),
    };
  }

  /** Where the newest event is; before all of them where there is none. */
  get newest(): EventCursor {
    let newest: EventCursor = { revision: 0, key: '' };
    for (const { revision, key } of this.#parts.store.list(PREFIX))
      if (isOlder(newest, { revision, key })) newest = { revision, key };
    return newest;
  }

  #read(stored: StoredValue): ClusterEvent {
    const known = this.#decoded.get(stored);
    if (known !== undefined) return known;
    const event = decodeEvent(stored, idOf(stored.key));
    this.#decoded.set(stored, event);
    return event;
  }
}

function prefixOf(place: ClusterPlace | null): string {
  return place === null ? GROUP_PREFIX : `${PREFIX}${place.namespace}/${place.cluster}/`;
}

function numberOf(key: Key): number {
  return Number(key.slice(-NUMBER_DIGITS));
}

function idOf(key: Key): string {
  const where = key.startsWith(GROUP_PREFIX) ? 'group' : key.slice(PREFIX.length, -NUMBER_DIGITS - 1);
  return `${where}/${numberOf(key)}`;
}

/** Later in the log is newer; in one transaction, the higher key. */
function isOlder(one: EventCursor, other: EventCursor): boolean {
  return one.revision === other.revision ? one.key < other.key : one.revision < other.revision;
}

export function isEventKey(key: Key): boolean {
  return key.startsWith(PREFIX);
}

/** Whether the oldest event that some log still has is behind the cursor, and not the first that it ever had. */
function hasGap(all: readonly StoredValue[], cursor: EventCursor): boolean {
  let log = '';
  for (const value of all) {
    const own = value.key.slice(0, -NUMBER_DIGITS);
    if (own === log) continue;
    log = own;
    if (numberOf(value.key) > 1 && isOlder(cursor, value)) return true;
  }
  return false;
}
