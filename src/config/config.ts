// The checked configuration the program runs with: contradictions refused, defaults filled, units in the names.

import { FEATURE_LEVEL } from '../base/feature-level.ts';
import { err, ok, type Result } from '../base/result.ts';
import { quoted } from '../base/printable.ts';
import { isLoopback, isWildcard, parseControllerAddress } from '../topology/controller-address.ts';
import { addressParts, parseAddress } from '../topology/node.ts';
import type { NodeAddress } from '../topology/types.ts';
import type { RawConfig } from './schema.ts';

export interface Config {
  /** Where this process listens. */
  readonly listen: { readonly host: string; readonly port: number };
  /** `host:port` at which peers, clients following a redirect and people reach this process. */
  readonly advertiseAddress: NodeAddress;
  readonly raft: {
    readonly id: number;
    readonly dataDir: string;
    /**
     * With `clusterState` "new" the founding members: the address of the member with id n at position n - 1. With
     * "existing" members of the group to join, in any order; the own address among them means nothing.
     */
    readonly peers: readonly NodeAddress[];
    /** What a member does whose data directory is empty; afterwards the recorded membership rules. */
    readonly clusterState: 'new' | 'existing';
    readonly heartbeatIntervalMs: number;
    readonly electionTimeoutMs: number;
    readonly snapshotEntries: number;
    /** The level up to which this member takes part: what this release supports, or less where the operator holds it back. */
    readonly featureLevel: number;
  };
  readonly failover: {
    readonly pingIntervalMs: number;
    readonly maxPingCount: number;
    readonly restartGraceMs: number;
    readonly lagMax: number;
    readonly switchoverTimeoutMs: number;
    readonly coolDownMs: number;
    readonly aliveSizeMin: number;
    readonly failureRatioMax: number;
    /** 0: masters get no leases. */
    readonly leaseMs: number;
  };
  readonly metrics: {
    /** Nodes above which none has series of its own. */
    readonly nodeSeriesMax: number;
  };
  readonly logLevel: RawConfig['log']['level'];
  /** Settings of the file that are accepted and mean nothing here, by path. */
  readonly withoutEffect: readonly string[];
}

/** `path` names the setting that is to be changed. */
export interface Contradiction {
  readonly path: string;
  readonly message: string;
}

/** Turns a well-formed configuration into a consistent one, or says which setting contradicts which. */
export function checkConfig(raw: RawConfig): Result<Omit<Config, 'withoutEffect'>, Contradiction> {
  const listen = splitListen(raw.addr);
  if (listen === null) return refuse('addr', `expected host:port, got ${quoted(raw.addr)}`);
  const advertise = advertisedAddress(raw, listen.host);
  if (!advertise.ok) return advertise;
  const peers = readPeers(raw.raft.peers);
  if (!peers.ok) return peers;
  const problem =
    checkRaft(raw.raft, peers.value, advertise.value) ??
    checkReach(raw, peers.value, advertise.value) ??
    checkLease(raw);
  if (problem !== null) return err(problem);
  return ok({
    listen,
    advertiseAddress: advertise.value,
    raft: {
      id: raw.raft.id,
      dataDir: raw.raft.data_dir,
      peers: peers.value,
      clusterState: raw.raft.cluster_state,
      heartbeatIntervalMs: raw.raft.heartbeat_interval_ms,
      electionTimeoutMs: raw.raft.election_timeout_ms,
      snapshotEntries: raw.raft.snapshot_entries,
      featureLevel: Math.min(FEATURE_LEVEL, raw.raft.feature_level_max),
    },
    failover: {
      pingIntervalMs: Math.round(raw.controller.failover.ping_interval_seconds * 1000),
      maxPingCount: raw.controller.failover.max_ping_count,
      restartGraceMs: Math.round(raw.controller.failover.restart_grace_seconds * 1000),
      lagMax: raw.controller.failover.max_lag,
      switchoverTimeoutMs: raw.controller.failover.switchover_timeout_ms,
      coolDownMs: Math.round(raw.controller.failover.cooldown_seconds * 1000),
      aliveSizeMin: raw.controller.failover.min_alive_size,
      failureRatioMax: raw.controller.failover.max_failure_ratio,
      leaseMs: raw.controller.failover.master_lease_ms,
    },
    metrics: { nodeSeriesMax: raw.metrics.node_series_max },
    logLevel: raw.log.level,
  });
}

/** What others are told; where nothing is said, where this process listens. */
function advertisedAddress(raw: RawConfig, listenHost: string): Result<NodeAddress, Contradiction> {
  if (raw.advertise_addr === '') {
    if (isWildcard(listenHost)) {
      return refuse(
        'advertise_addr',
        `others cannot reach ${quoted(raw.addr)}; set the host:port they shall use`,
      );
    }
    const listened = parseAddress(raw.addr);
    return listened.ok ? listened : refuse('addr', `expected host:port, got ${quoted(raw.addr)}`);
  }
  const advertised = parseControllerAddress(raw.advertise_addr);
  return advertised.ok ? advertised : refuse('advertise_addr', advertised.error);
}

function readPeers(texts: readonly string[]): Result<readonly NodeAddress[], Contradiction> {
  const peers: NodeAddress[] = [];
  for (const [position, text] of texts.entries()) {
    const peer = parseControllerAddress(text);
    if (!peer.ok) return refuse('raft.peers', `entry ${position + 1}: ${peer.error}`);
    if (peers.includes(peer.value))
      return refuse('raft.peers', `entry ${position + 1}: ${quoted(text)} is listed twice`);
    peers.push(peer.value);
  }
  return ok(peers);
}

function checkRaft(
  raft: RawConfig['raft'],
  peers: readonly NodeAddress[],
  advertise: NodeAddress,
): Contradiction | null {
  const problem =
    raft.cluster_state === 'new' ? checkFounding(raft, peers, advertise) : checkJoining(peers, advertise);
  if (problem !== null) return problem;
  if (raft.election_timeout_ms < 4 * raft.heartbeat_interval_ms) {
    return {
      path: 'raft.election_timeout_ms',
      message: `must be at least 4 x heartbeat_interval_ms (${4 * raft.heartbeat_interval_ms}), or one lost heartbeat starts an election`,
    };
  }
  return null;
}

/** Members of one group are all on this machine, or none of them is called by an address that every machine has for itself. */
function checkReach(
  { raft, advertise_addr: advertised }: RawConfig,
  peers: readonly NodeAddress[],
  own: NodeAddress,
): Contradiction | null {
  if (raft.cluster_state !== 'new') return null;
  const isOwnLoopback = isLoopback(own);
  const [position, other] =
    [...peers.entries()].find(([, peer]) => isOwnLoopback !== null && isLoopback(peer) === !isOwnLoopback) ??
    [];
  if (position === undefined || other === undefined) return null;
  if (isOwnLoopback === true)
    return {
      path: advertised === '' ? 'addr' : 'advertise_addr',
      message: `"${own}" is reached from this machine alone, and "${other}" of raft.peers is another one; say where the others reach this member`,
    };
  return {
    path: 'raft.peers',
    message: `entry ${position + 1}: "${other}" is each machine's own address, and this member is reached at "${own}"; write the one at which the others reach that member`,
  };
}

/** Milliseconds; a lease that is shorter runs out whenever a controller or a node is busy for a moment. */
const LEASE_MS_MIN = 1000;

/** Election timeouts from the death of a leader to the first renewal by the next one, with one election that fails. */
const LEASE_ELECTIONS_MIN = 4;

function checkLease({ controller, raft }: RawConfig): Contradiction | null {
  const { master_lease_ms: leaseMs } = controller.failover;
  const leastMs = Math.max(LEASE_MS_MIN, LEASE_ELECTIONS_MIN * raft.election_timeout_ms);
  if (leaseMs === 0 || leaseMs >= leastMs) return null;
  return {
    path: 'controller.failover.master_lease_ms',
    message: `must be 0 (off) or at least ${leastMs} (${LEASE_MS_MIN}, and ${LEASE_ELECTIONS_MIN} x raft.election_timeout_ms): else masters stop taking writes at every change of leaders`,
  };
}

/** The founding members are told by position, so that all of them write the same list. */
function checkFounding(
  raft: RawConfig['raft'],
  peers: readonly NodeAddress[],
  advertise: NodeAddress,
): Contradiction | null {
  const own = peers[raft.id - 1];
  if (own === undefined) {
    return {
      path: 'raft.id',
      message: `there is no entry ${raft.id} in raft.peers (it has ${peers.length}); a member that joins a running group needs raft.cluster_state "existing"`,
    };
  }
  if (own !== advertise) {
    return {
      path: 'raft.peers',
      message: `entry ${raft.id} is "${own}" but member ${raft.id} is reached at "${advertise}"; make them equal: the API and the members' own traffic share one port`,
    };
  }
  return null;
}

function checkJoining(peers: readonly NodeAddress[], advertise: NodeAddress): Contradiction | null {
  if (peers.some((peer) => peer !== advertise)) return null;
  return {
    path: 'raft.peers',
    message: 'names nobody but this member; list at least one member of the group to join',
  };
}

function refuse(path: string, message: string): Result<never, Contradiction> {
  return err({ path, message });
}

/** Host, in canonical form where it is an address, and port to bind; unlike an advertised address the host may be a wildcard. */
function splitListen(text: string): { host: string; port: number } | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const host = match[1] ?? match[2];
  const port = Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) return null;
  const canonical = parseAddress(match[1] === undefined ? `${host}:${port}` : `[${host}]:${port}`);
  if (canonical.ok) return { host: addressParts(canonical.value).host, port };
  // Of all that is no address only a scoped one (`fe80::1%eth0`) can be bound.
  return match[1]?.includes('%') === true ? { host, port } : null;
}
