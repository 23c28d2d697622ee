// Asks every member of the group for what it knows, within one time for all of it. Who does not answer costs its own part alone.

import { err, ok, type Result } from '../../base/result.ts';
import { type Answer, type Client, isRecord } from '../client.ts';
import type { ConfigBody } from '../commands/configuration.ts';
import type { PeersBody } from '../commands/raft.ts';
import { clustersIn } from '../commands/status.ts';
import type { UpgradeBody } from '../commands/upgrade.ts';
import { EXIT, Failure } from '../failure.ts';
import { readMetrics, type Sample } from './metrics-text.ts';
import type { ClusterSeen, MemberSight, ReadinessCheck, Sights } from './sights.ts';

/** For one question to one member, which may be dead. */
const MEMBER_MS = 2000;
/** For a question that a member asks others for, or that waits for a leader. */
const GROUP_MS = 5000;

const NOT_ASKED = err('it does not answer');

/** Throws `Failure` where nobody answers at all. */
export async function collectSights(client: Client, timeoutMs: number): Promise<Sights> {
  const asking = new Asking(client, performance.now() + timeoutMs);
  const members = await Promise.all(
    (await membersKnownTo(asking, client.hosts)).map((member) => askMember(asking, member)),
  );
  const reached = members.flatMap(({ addr, silence }) => (silence === null ? [addr] : []));
  // Addresses among members may mean nothing here, where somebody in between passes requests on.
  const hosts = reached.length > 0 ? reached : client.hosts;
  const [upgrade, clusters] = await Promise.all([
    asking.told(() => askUpgrade(asking, hosts)),
    asking.told(() => askClusters(asking, hosts)),
  ]);
  return { nowSeconds: Date.now() / 1000, members, upgrade, clusters };
}

/** Requests that all together take no longer than what is left. */
class Asking {
  readonly #client: Client;
  readonly #endMs: number;
  /** By host. */
  readonly #peers = new Map<string, Promise<Result<PeersBody, string>>>();

  constructor(client: Client, endMs: number) {
    this.#client = client;
    this.#endMs = endMs;
  }

  async get(hosts: readonly string[], path: string, limitMs = MEMBER_MS): Promise<unknown> {
    const { data }: Answer = await this.#within(hosts, limitMs).get(path);
    return data;
  }

  /** The group as `host` knows it, asked once: whoever is away is waited for once. */
  peersAt(host: string): Promise<Result<PeersBody, string>> {
    const asked = this.#peers.get(host) ?? this.told(() => askPeers(this, host));
    this.#peers.set(host, asked);
    return asked;
  }

  /** What is answered outside the API's paths, whatever its status. */
  async text(host: string, path: string): Promise<string> {
    const { response } = await this.#within([host], MEMBER_MS).sendRaw('GET', path);
    try {
      return await response.text();
    } catch (error) {
      throw new Failure(EXIT.unreachable, `${host} broke off its answer`, { cause: error });
    }
  }

  /** Reasons as values: one part that is missing must not cost the others. */
  async told<Part>(ask: () => Promise<Part>): Promise<Result<Part, string>> {
    try {
      return ok(await ask());
    } catch (error) {
      if (error instanceof Failure) return err(error.message);
      throw error;
    }
  }

  #within(hosts: readonly string[], limitMs: number): Client {
    const leftMs = this.#endMs - performance.now();
    if (leftMs <= 0) throw new Failure(EXIT.unknown, 'the time for all of it was over (--timeout)');
    return this.#client.at(hosts, Math.min(limitMs, leftMs));
  }
}

interface Member {
  readonly id: number;
  readonly addr: string;
}

/** As the leader has it where it is one of the hosts; else everybody whom any of them counts: one that lags may not know of the last change. */
async function membersKnownTo(asking: Asking, hosts: readonly string[]): Promise<readonly Member[]> {
  const answers = await Promise.all(hosts.map((host) => asking.peersAt(host)));
  const told = answers.flatMap((answer) => (answer.ok ? [answer.value] : []));
  const reasons = answers.flatMap((answer) => (answer.ok ? [] : [answer.error]));
  if (told.length === 0) throw new Failure(EXIT.unreachable, reasons.join('\n'));
  const leading = told.find(isOfLeader);
  const known = (leading === undefined ? told : [leading]).flatMap(({ members }) => members);
  const byAddress = new Map(known.map(({ id, addr }) => [addr, { id, addr }]));
  return [...byAddress.values()].toSorted((a, b) => a.id - b.id);
}

/** Only the leader knows how far members are, itself among them. */
function isOfLeader({ leader, members }: PeersBody): boolean {
  return members.some(({ id, lag }) => id === leader && lag !== null);
}

async function askMember(asking: Asking, { id, addr }: Member): Promise<MemberSight> {
  const peers = await asking.peersAt(addr);
  if (!peers.ok)
    return {
      id,
      addr,
      silence: peers.error,
      peers: null,
      readiness: NOT_ASKED,
      config: NOT_ASKED,
      metrics: NOT_ASKED,
    };
  const [readiness, config, metrics] = await Promise.all([
    asking.told(() => askReadiness(asking, addr)),
    asking.told(async () => (await asking.get([addr], '/controller/config')) as ConfigBody),
    asking.told(() => askMetrics(asking, addr)),
  ]);
  return { id, addr, silence: null, peers: peers.value, readiness, config, metrics };
}

/** Other controllers than ours have this path, too, and say less. */
async function askPeers(asking: Asking, host: string): Promise<PeersBody> {
  const data = await asking.get([host], '/raft/peers');
  if (isRecord(data) && Array.isArray(data['members'])) return data as object as PeersBody;
  throw new Failure(EXIT.unreachable, `${host} answers, but does not tell the members of its group`);
}

/** The checks stand under `data` where all hold, and under `error` where one does not. */
async function askReadiness(asking: Asking, host: string): Promise<readonly ReadinessCheck[]> {
  const body: unknown = parsed(await asking.text(host, '/readyz?verbose'));
  const part = isRecord(body) ? (body['error'] ?? body['data']) : null;
  if (isRecord(part) && Array.isArray(part['checks'])) return part['checks'] as readonly ReadinessCheck[];
  throw new Failure(EXIT.failed, 'its answer names no checks');
}

async function askMetrics(asking: Asking, host: string): Promise<readonly Sample[]> {
  const samples = readMetrics(await asking.text(host, '/metrics'));
  if (samples.length === 0) throw new Failure(EXIT.failed, 'its answer holds no metrics of a controller');
  return samples;
}

/** Of the first member that knows of upgrades: while one of an earlier release answers first, another may. */
async function askUpgrade(asking: Asking, hosts: readonly string[]): Promise<UpgradeBody> {
  let why = 'no controller answers';
  for (const host of hosts) {
    const told = await asking.told(() => asking.get([host], '/controller/upgrade', GROUP_MS));
    if (told.ok) return (told.value as { readonly upgrade: UpgradeBody }).upgrade;
    why = told.error;
  }
  throw new Failure(EXIT.failed, why);
}

async function askClusters(asking: Asking, hosts: readonly string[]): Promise<readonly ClusterSeen[]> {
  const get = async (path: string): Promise<{ readonly data: unknown }> => ({
    data: await asking.get(hosts, path, GROUP_MS),
  });
  const seen = await clustersIn(null, get);
  return seen.map(({ place, status }) => ({ namespace: place.namespace, status }));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
