// One question to the name servers: which addresses a full name has.

import { Resolver, type RecordWithTtl } from 'node:dns';

/** Milliseconds until a name server is asked again, and how often each is asked: bounds a look-up with dead servers. */
const TIMEOUT_MS = 2000;
const TRIES = 2;
/** Addresses taken from one answer. */
const ADDRESSES_MAX = 16;

/** `absent`: the servers say that there is no such name. `failed`: they say nothing, which proves nothing. */
export type DnsAnswer =
  | { readonly kind: 'found'; readonly addresses: readonly string[]; readonly ttlSeconds: number }
  | { readonly kind: 'absent'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** What the resolver needs of the name servers. */
export interface DnsQueries {
  /** Never rejects, and ends within the servers' timeouts. */
  ask(name: string): Promise<DnsAnswer>;
  /** Ends what is under way as `failed`. */
  close(): void;
}

/**
 * A and AAAA over c-ares, which waits on sockets of the event loop. `dns.lookup` instead would hold a thread of the pool
 * for as long as dead name servers take, and the log writes with that pool.
 */
export function openDnsQueries(servers: readonly string[] | null): DnsQueries {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers !== null) resolver.setServers(servers);
  return {
    async ask(name) {
      const [four, six] = await Promise.all([
        new Promise<DnsAnswer>((resolve) => {
          resolver.resolve4(name, { ttl: true }, (error, records) => resolve(answerOf(error, records)));
        }),
        new Promise<DnsAnswer>((resolve) => {
          resolver.resolve6(name, { ttl: true }, (error, records) => resolve(answerOf(error, records)));
        }),
      ]);
      return joined(four, six);
    },
    close: () => resolver.cancel(),
  };
}

function answerOf(error: NodeJS.ErrnoException | null, records: readonly RecordWithTtl[]): DnsAnswer {
  if (error !== null) {
    const isAbsent = error.code === 'ENOTFOUND' || error.code === 'ENODATA';
    return { kind: isAbsent ? 'absent' : 'failed', reason: error.message };
  }
  const taken = records.slice(0, ADDRESSES_MAX);
  if (taken.length === 0) return { kind: 'absent', reason: 'no address' };
  return {
    kind: 'found',
    addresses: taken.map(({ address }) => address),
    ttlSeconds: Math.min(...taken.map(({ ttl }) => ttl)),
  };
}

/** Both families as one answer: one that has addresses is enough, and `absent` needs both to say so. */
function joined(four: DnsAnswer, six: DnsAnswer): DnsAnswer {
  if (four.kind !== 'found') return six.kind === 'found' || six.kind === 'failed' ? six : four;
  if (six.kind !== 'found') return four;
  return {
    kind: 'found',
    addresses: [...four.addresses, ...six.addresses],
    ttlSeconds: Math.min(four.ttlSeconds, six.ttlSeconds),
  };
}
