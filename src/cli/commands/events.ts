// `events`: what has happened to a cluster or to the whole group, and what happens now.

import { printable } from '../../base/printable.ts';
import type { Session } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { existing, named } from './named.ts';
import { endOnInterrupt, Patience, pause } from './polling.ts';
import { severityColour } from './severity.ts';
import { parseSince } from './span-text.ts';
import type { EventBody } from './status-body.ts';
import { count } from './places.ts';
import { usage } from '../failure.ts';

export interface EventsBody {
  /** Newest first. */
  readonly events: readonly EventBody[];
  readonly next_cursor: string | null;
}

export interface EventFlags {
  readonly follow?: boolean;
  readonly since?: string;
  readonly kind?: string;
  readonly severity?: string;
  readonly limit?: string;
}

const LIMIT_DEFAULT = 50;
/** Of one answer, as the API has it. */
const PAGE_MAX = 1000;
const POLL_MS = 1000;
/** Asked for again and again: as a rule nothing has happened. */
const POLL_PAGE = 100;
/** Told already, and remembered; more than the API keeps of a few clusters. */
const KNOWN_MAX = 20_000;

export async function events(session: Session, flags: EventFlags): Promise<void> {
  const log = new EventLog(session, flags);
  const limit = flags.limit === undefined ? null : count(flags.limit, '--limit');
  if (limit === 0) throw usage('--limit 0: expected at least 1');
  // Whoever names a time wants all since then.
  const page = await log.newest(limit ?? (flags.since === undefined ? LIMIT_DEFAULT : PAGE_MAX));
  const lines = new EventLines(session.terminal, log.cluster === null);
  if (flags.follow !== true) return showPage(session, page, lines);
  endOnInterrupt();
  await follow(session, { log, lines, first: page.events.toReversed() });
}

async function showPage(session: Session, page: EventsBody, lines: EventLines): Promise<void> {
  const told = page.events.toReversed();
  await session.output.show({
    data: page,
    items: told,
    names: told.map(({ id }) => id),
    table: (isWide) => lines.print(told, isWide),
  });
  if (page.next_cursor !== null && session.output.isTable)
    session.terminal.tell(`earlier ones are left out: --limit ${page.events.length * 10} shows more`);
}

/** Ends with the process. Across a change of the leader nothing is told twice and nothing is left out, since the log of events is the group's. */
async function follow(
  session: Session,
  {
    log,
    lines,
    first,
  }: { readonly log: EventLog; readonly lines: EventLines; readonly first: readonly EventBody[] },
): Promise<never> {
  const patience = new Patience(session);
  const known = new Set<string>();
  for (let fresh: readonly EventBody[] | null = first; ;) {
    for (const event of fresh ?? []) {
      known.add(event.id);
      await session.output.show({
        data: event,
        names: [event.id],
        table: (isWide) => lines.print([event], isWide),
      });
    }
    forgetOldest(known);
    await pause(POLL_MS);
    fresh = await patience.look(() => log.unknown(known));
  }
}

function forgetOldest(known: Set<string>): void {
  for (const id of known) {
    if (known.size <= KNOWN_MAX) return;
    known.delete(id);
  }
}

/** The events that are wanted, as the API pages them. */
class EventLog {
  readonly cluster: string | null;
  readonly #session: Session;
  readonly #path: string;
  readonly #query: Readonly<Record<string, string>>;

  constructor(session: Session, { since, kind, severity }: EventFlags) {
    this.#session = session;
    this.cluster = named(() => session.cluster);
    this.#path = this.cluster === null ? '/events' : session.path('/events');
    this.#query = {
      ...(since === undefined ? {} : { since: parseSince(since, Date.now()) }),
      ...(kind === undefined ? {} : { kind }),
      ...(severity === undefined ? {} : { severity }),
    };
  }

  /** The newest of them, `limit` at most, with where the others go on. */
  async newest(limit: number): Promise<EventsBody> {
    const found: EventBody[] = [];
    let cursor: string | null = null;
    do {
      const page = await this.#page(Math.min(PAGE_MAX, limit - found.length), cursor);
      found.push(...page.events);
      cursor = page.next_cursor;
    } while (cursor !== null && found.length < limit);
    return { events: found, next_cursor: cursor };
  }

  /** Those that have come since the newest of `known`, oldest first. By their place in the log and not by their time: leaders have clocks of their own. */
  async unknown(known: ReadonlySet<string>): Promise<readonly EventBody[]> {
    const found: EventBody[] = [];
    let cursor: string | null = null;
    do {
      const page = await this.#page(POLL_PAGE, cursor);
      const end = page.events.findIndex(({ id }) => known.has(id));
      found.push(...(end === -1 ? page.events : page.events.slice(0, end)));
      cursor = end === -1 ? page.next_cursor : null;
    } while (cursor !== null);
    return found.toReversed();
  }

  async #page(limit: number, cursor: string | null): Promise<EventsBody> {
    const query = new URLSearchParams({
      ...this.#query,
      limit: String(limit),
      ...(cursor === null ? {} : { cursor }),
    });
    const { data } = await existing(this.cluster ?? 'events', () =>
      this.#session.client.get(`${this.#path}?${query.toString()}`),
    );
    return data as EventsBody;
  }
}

/** `2026-11-30T15:03:57.404Z`. */
const TIME_WIDTH = 24;
const SEVERITY_WIDTH = 'SEVERITY'.length;
/** The longest that there are now. */
const KIND_WIDTH = 18;
const PLACE_WIDTH = 20;

/** Columns of a fixed width: nobody knows what is to come. */
class EventLines {
  readonly #terminal: Terminal;
  readonly #hasPlaces: boolean;
  #isHeadPrinted = false;

  constructor(terminal: Terminal, hasPlaces: boolean) {
    this.#terminal = terminal;
    this.#hasPlaces = hasPlaces;
  }

  print(told: readonly EventBody[], isWide: boolean): void {
    for (const event of told) {
      if (!this.#isHeadPrinted)
        this.#terminal.print(this.#terminal.paint(eventHead(this.#hasPlaces, isWide), 'bold'));
      this.#isHeadPrinted = true;
      const text = eventLine(event, { hasPlace: this.#hasPlaces, isWide });
      this.#terminal.print(
        event.severity === 'info' ? text : this.#terminal.paint(text, severityColour(event.severity)),
      );
    }
  }
}

function eventHead(hasPlace: boolean, isWide: boolean): string {
  return columns(['TIME', 'SEVERITY', 'KIND'], hasPlace ? 'CLUSTER' : null, isWide ? 'ACTOR' : null, 'TEXT');
}

/** `hasPlace`: it says which cluster it is of. */
export function eventLine(
  event: EventBody,
  { hasPlace, isWide }: { readonly hasPlace: boolean; readonly isWide: boolean },
): string {
  const { id, time, severity, kind, actor, shard, text } = event;
  const place = id.slice(0, id.lastIndexOf('/'));
  const shardText = shard === null ? '' : `shard ${shard}: `;
  const first = [time, severity, kind].map((each) => printable(each));
  return columns(
    first,
    hasPlace ? printable(place) : null,
    isWide ? printable(actor) : null,
    printable(`${shardText}${text}`),
  );
}

function columns(first: readonly string[], place: string | null, actor: string | null, text: string): string {
  const [time = '', severity = '', kind = ''] = first;
  const cells = [
    time.padEnd(TIME_WIDTH),
    severity.padEnd(SEVERITY_WIDTH),
    kind.padEnd(KIND_WIDTH),
    ...(place === null ? [] : [place.padEnd(PLACE_WIDTH)]),
    ...(actor === null ? [] : [actor.padEnd('controller'.length)]),
    text,
  ];
  return cells.join('  ');
}
