// From host names to addresses: the one place of this program that asks the system's name services.

import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';

import type { Clock } from '../base/clock.ts';
import { err, ok, type Result } from '../base/result.ts';
import { type DnsAnswer, type DnsQueries, openDnsQueries } from './dns-queries.ts';
import { parseHosts } from './hosts.ts';
import { KeptNames, type NamedAddresses } from './kept-names.ts';
import { fullNames, parseSearchRules, type SearchRules } from './search-list.ts';
import { WatchedFile } from './watched-file.ts';

/** Names remembered: every node of a few thousand shards. The one not used for longest makes room. */
const NAMES_MAX = 16_384;
/** Look-ups under way at once; more are refused for now, so that dead name servers do not collect them. */
const LOOKUPS_MAX = 512;
/** Answers count for what their servers say, within these bounds: a pod may move sooner, a flood of queries helps nobody. */
const FRESH_MS_MIN = 5000;
const FRESH_MS_MAX = 30_000;
/** Milliseconds after a failed look-up until the same name is asked for again. */
const RETRY_MS = 1000;
/** Milliseconds a connection waits for its name when it has no shorter deadline of its own. */
const LOOKUP_DEADLINE_MS = 5000;
/** Milliseconds the name servers have before what an earlier process knew is used. */
const RECALL_MS = 1000;

/** Nothing is known of the name: nobody was asked to connect anywhere. The code is the one that Node's own look-ups use. */
export class NameUnknown extends Error {
  override readonly name = 'NameUnknown';
  readonly code = 'ENOTFOUND';
}

export interface NameResolverOptions {
  readonly clock: Clock;
  readonly hostsPath?: string;
  readonly resolvConfPath?: string;
  /** Name servers as `ip:port` instead of those of resolv.conf. */
  readonly servers?: readonly string[];
  /** The file in which addresses outlive this process; without one they do not. */
  readonly keptIn?: string;
}

/** What is known of one name. */
interface Entry {
  /** The last good answer; empty before the first. */
  addresses: readonly string[];
  /** What an earlier process knew: counts until this one has had an answer. */
  readonly recalled: readonly string[];
  /** Until then nobody is asked again, after a success as after a failure. */
  quietUntilMs: number;
  /** Why the last look-up failed; null after a success. */
  failure: string | null;
  lookup: Promise<void> | null;
}

/**
 * Literals pass, the hosts file comes first, then the name servers. A name that fails to resolve keeps its last good
 * addresses for good: an address that has moved shows when it is connected to, a name server that is down must not make
 * healthy nodes unreachable. At most one look-up a name is under way, and no caller waits for a refresh.
 */
export class NameResolver {
  readonly #options: NameResolverOptions;
  readonly #clock: Clock;
  readonly #hosts: WatchedFile<ReadonlyMap<string, readonly string[]>>;
  readonly #resolvConf: WatchedFile<{ readonly rules: SearchRules }>;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  readonly #kept: KeptNames | null;
  /** The queries of one state of resolv.conf, whose name servers c-ares reads once only. */
  #dns: { readonly state: object; readonly queries: DnsQueries } | null = null;
  #lookups = 0;
  #isClosed = false;

  constructor(options: NameResolverOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#hosts = new WatchedFile(options.hostsPath ?? '/etc/hosts', parseHosts, options.clock);
    this.#resolvConf = new WatchedFile(
      options.resolvConfPath ?? '/etc/resolv.conf',
      (text) => ({ rules: parseSearchRules(text) }),
      options.clock,
    );
    this.#kept = options.keptIn === undefined ? null : new KeptNames(options.keptIn, options.clock);
    // In the order of their last use, and the file begins with the last.
    const recalled = [...(this.#kept?.initial ?? [])].slice(0, NAMES_MAX).reverse();
    for (const [name, addresses] of recalled) this.#entries.set(name, freshEntry(addresses));
  }

  /** For `net`, `http` and `undici`; never touches the thread pool. */
  readonly lookup: LookupFunction = (host, options, callback) => void this.#look(host, options, callback);

  /**
   * The addresses of `host`, the one that answered last in front. Known ones come at once, however old, those that an earlier process knew when
   * none comes within a second; the error, a phrase for people, when none was ever known and none comes within `deadlineMs`. Never rejects.
   */
  async addressesOf(host: string, deadlineMs: number): Promise<Result<readonly string[], string>> {
    if (isIP(host) !== 0) return ok([host]);
    const name = host.toLowerCase();
    const given = this.#hosts.value.get(name) ?? localAddresses(name);
    if (given !== undefined) return ok(given);
    const entry = this.#entryOf(name);
    if (entry === null) return err('too many names are being looked up');
    this.#refresh(name, entry);
    if (entry.addresses.length === 0 && entry.lookup !== null) {
      const isRecalled = entry.recalled.length > 0;
      await this.#within(entry.lookup, isRecalled ? Math.min(deadlineMs, RECALL_MS) : deadlineMs);
      // Whoever asks next does not wait again; an answer that comes after all takes its place.
      if (entry.addresses.length === 0) entry.addresses = entry.recalled;
    }
    if (entry.addresses.length > 0) return ok(entry.addresses);
    return err(entry.failure ?? `no answer of a name server within ${deadlineMs} ms`);
  }

  /** `address` answered for `host`: it is tried first from now on. */
  answered(host: string, address: string): void {
    const entry = this.#entries.get(host.toLowerCase());
    if (entry === undefined || entry.addresses[0] === address || !entry.addresses.includes(address)) return;
    entry.addresses = [address, ...entry.addresses.filter((other) => other !== address)];
  }

  /** Ends the look-ups under way; nothing new is asked afterwards. */
  close(): void {
    this.#isClosed = true;
    this.#kept?.close();
    this.#dns?.queries.close();
  }

  async #look(
    host: string,
    { all, family }: LookupOptions,
    callback: Parameters<LookupFunction>[2],
  ): Promise<void> {
    const known = await this.addressesOf(host, LOOKUP_DEADLINE_MS);
    const wanted = familyOf(family);
    const addresses = (known.ok ? known.value : [])
      .map((address): LookupAddress => ({ address, family: isIP(address) }))
      .filter((candidate) => wanted === 0 || candidate.family === wanted);
    const [first] = addresses;
    if (first === undefined) {
      const reason = known.ok ? `it has none of family ${wanted}` : known.error;
      callback(new NameUnknown(`no address is known for ${host}: ${reason}`), '');
    } else if (all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  }

  #entryOf(name: string): Entry | null {
    const known = this.#entries.get(name);
    if (known !== undefined) {
      this.#entries.delete(name);
      this.#entries.set(name, known);
      return known;
    }
    if (this.#entries.size >= NAMES_MAX) {
      const [oldest] = this.#entries;
      // A look-up under way belongs to its entry: it could be asked a second time if the entry went first.
      if (oldest === undefined || oldest[1].lookup !== null) return null;
      this.#entries.delete(oldest[0]);
    }
    const fresh = freshEntry([]);
    this.#entries.set(name, fresh);
    return fresh;
  }

  #refresh(name: string, entry: Entry): void {
    if (this.#isClosed || entry.lookup !== null || this.#clock.monotonicMs() < entry.quietUntilMs) return;
    if (this.#lookups >= LOOKUPS_MAX) {
      entry.failure ??= 'too many names are being looked up';
      return;
    }
    this.#lookups += 1;
    entry.lookup = this.#ask(name).then((answer) => {
      this.#lookups -= 1;
      entry.lookup = null;
      this.#note(entry, answer);
    });
  }

  #note(entry: Entry, answer: DnsAnswer): void {
    const nowMs = this.#clock.monotonicMs();
    if (answer.kind !== 'found') {
      entry.failure = answer.reason;
      entry.quietUntilMs = nowMs + RETRY_MS;
      entry.addresses = usable(entry);
      return;
    }
    entry.failure = null;
    entry.quietUntilMs = nowMs + Math.min(FRESH_MS_MAX, Math.max(FRESH_MS_MIN, answer.ttlSeconds * 1000));
    const before = usable(entry);
    if (!isSame(before, answer.addresses))
      this.#kept?.save(() => this.#known(), before.length === 0 ? 'new' : 'changed');
    const [preferred] = entry.addresses;
    const isKept = preferred !== undefined && answer.addresses.includes(preferred);
    entry.addresses = isKept
      ? [preferred, ...answer.addresses.filter((address) => address !== preferred)]
      : answer.addresses;
  }

  *#known(): Iterable<NamedAddresses> {
    for (const [name, entry] of [...this.#entries].reverse()) yield [name, usable(entry)];
  }

  /** Stops at the first name that exists, and at the first the servers say nothing about: the next might be another host. */
  async #ask(name: string): Promise<DnsAnswer> {
    const state = this.#resolvConf.value;
    const queries = this.#queriesFor(state);
    let answer: DnsAnswer = { kind: 'absent', reason: 'no such name' };
    for (const full of fullNames(name, state.rules)) {
      answer = await queries.ask(full);
      if (answer.kind !== 'absent') return answer;
    }
    return answer;
  }

  #queriesFor(state: object): DnsQueries {
    if (this.#dns?.state === state) return this.#dns.queries;
    const queries = openDnsQueries(this.#options.servers ?? null);
    this.#dns = { state, queries };
    return queries;
  }

  async #within(lookup: Promise<void>, deadlineMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(deadlineMs, late.resolve);
    await Promise.race([lookup, late.promise]);
    timer.cancel();
  }
}

function freshEntry(recalled: readonly string[]): Entry {
  return { addresses: [], recalled, quietUntilMs: Number.NEGATIVE_INFINITY, failure: null, lookup: null };
}

function usable({ addresses, recalled }: Entry): readonly string[] {
  return addresses.length > 0 ? addresses : recalled;
}

/** Whatever the order: name servers change it from answer to answer. */
function isSame(before: readonly string[], after: readonly string[]): boolean {
  return before.length === after.length && after.every((address) => before.includes(address));
}

function familyOf(family: LookupOptions['family']): 0 | 4 | 6 {
  if (family === 4 || family === 'IPv4') return 4;
  return family === 6 || family === 'IPv6' ? 6 : 0;
}

/** What `localhost` means wherever the hosts file does not say it (RFC 6761, section 6.3). */
function localAddresses(name: string): readonly string[] | undefined {
  return name === 'localhost' || name.endsWith('.localhost') ? ['127.0.0.1', '::1'] : undefined;
}
