// What is remembered of a cluster's spares, and for how long shards have had fewer nodes than are wanted.

import { unreachable } from '../base/assert.ts';
import type { Result } from '../base/result.ts';
import type { Secret } from '../base/secret.ts';
import type { Spare } from '../topology/spares.ts';
import type { NodeAddress, NodeId, ShardId } from '../topology/types.ts';
import { type Newcomer, standingOfFresh } from './joining.ts';
import type { NodeError } from './observation.ts';

/**
 * What a look found a spare to be. Only `ready` may be used: proven empty, by the rule for whoever is taken in. `otherName`: a node of a
 * cluster here, or a spare listed before it, under a second name. All but `ready` say why, with the remedy, for people.
 */
export type SpareStanding =
  | { readonly kind: 'ready' }
  | {
      readonly kind:
        | 'silent'
        | 'ownFault'
        | 'hasData'
        | 'hasTopology'
        | 'noClusterMode'
        | 'wrongPassword'
        | 'notKvrocks'
        | 'otherName'
        | 'refuses';
      readonly why: string;
    };

/** What a node says of itself that is in no shard. What it does not tell is null, or absent. */
export interface SpareReport extends Omit<Newcomer, 'address' | 'topology'> {
  /** Its `masterauth`. */
  readonly masterAuth?: Secret | null;
  readonly processId?: number | null;
  readonly uptimeSeconds?: number | null;
}

/** What tells most processes apart: the number of each on its machine, and when it began, monotonic milliseconds. */
export interface SpareProcess {
  readonly id: number;
  readonly startedAtMs: number;
}

/** One look at a spare. Times in milliseconds on the monotonic clock. */
export interface SpareLook {
  readonly address: NodeAddress;
  /** With which it was asked: what it says to another one is not known. */
  readonly password: Secret;
  readonly standing: SpareStanding;
  /** Whether it was told apart from the members and the other spares of its cluster: one process is one node under however many names. */
  readonly isToldApart: boolean;
  /** When it was last told apart from everybody here, and nobody's other name; null when it was not. */
  readonly comparedAtMs: number | null;
  /** Null when it did not say. */
  readonly process: SpareProcess | null;
  /** What it would be called in the cluster. */
  readonly id: NodeId;
  /** When it began to be asked what it is. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export interface SpareMemory {
  /** Null before the first. */
  readonly look: SpareLook | null;
  readonly isInFlight: boolean;
}

/** Monotonic milliseconds; Infinity while that has not begun. */
export interface MissedWait {
  /** Since when somebody expects it: a node in maintenance counts as being there. */
  readonly expectedSinceMs: number;
  /** Since when it could have been replaced as well: no hold of the automation, and its master there to follow. */
  readonly countedSinceMs: number;
}

export interface SparesMemory {
  readonly nodes: ReadonlyMap<NodeAddress, SpareMemory>;
  /** Since when this leadership knows a shard to have fewer members than there are to be copies. */
  readonly vacantSinceMs: ReadonlyMap<ShardId, number>;
  /** Since when this leadership knows a missed node to be a replica that was the master before. */
  readonly demotedSinceMs: ReadonlyMap<NodeId, number>;
  /** How long members that are missed have had to be back. */
  readonly waits: ReadonlyMap<NodeId, MissedWait>;
  /** When somebody last asked how the spares are. */
  readonly askedAtMs: number;
}

export const NO_SPARES_MEMORY: SparesMemory = {
  nodes: new Map(),
  vacantSinceMs: new Map(),
  demotedSinceMs: new Map(),
  waits: new Map(),
  askedAtMs: -Infinity,
};

const UNSEEN: SpareMemory = { look: null, isInFlight: false };

/** What is known of a spare; what it said to another password does not count. */
export function spareMemory(memory: SparesMemory, { address, password }: Spare): SpareMemory {
  const known = memory.nodes.get(address) ?? UNSEEN;
  return known.look === null || known.look.password.equals(password) ? known : { ...known, look: null };
}

/** Adds that looks at `addresses` have begun. */
export function withSpareLooksBegun(memory: SparesMemory, addresses: readonly NodeAddress[]): SparesMemory {
  if (addresses.length === 0) return memory;
  const begun = addresses.map(
    (address) => [address, { ...(memory.nodes.get(address) ?? UNSEEN), isInFlight: true }] as const,
  );
  return { ...memory, nodes: new Map([...memory.nodes, ...begun]) };
}

/** Adds a look that has ended. */
export function withSpareLook(memory: SparesMemory, look: SpareLook): SparesMemory {
  return { ...memory, nodes: new Map(memory.nodes).set(look.address, { look, isInFlight: false }) };
}

const WIPE =
  'stop it, empty its data directory and start it again (FLUSHALL and CLUSTER RESET do not make a node empty)';

/** Only who is in nobody's cluster may be stopped; which cluster that is, nobody here can know. */
const WIPE_FOREIGN = `take it off the list if another cluster has it, else ${WIPE}`;

/** What the answer to a look says of a spare. */
export function spareStanding(address: NodeAddress, answer: Result<SpareReport, NodeError>): SpareStanding {
  if (!answer.ok) return failedStanding(answer.error);
  const { version, sequence, role, master } = answer.value;
  const standing = standingOfFresh({ ...answer.value, address, topology: null });
  switch (standing.kind) {
    case 'empty':
    case 'copy':
      // What it follows may send it something at any moment.
      return role === 'master' && master === null
        ? { kind: 'ready' }
        : { kind: 'refuses', why: `it follows ${master ?? 'somebody'} already: ${WIPE_FOREIGN}` };
    case 'unproven':
      return { kind: 'hasData', why: `${standing.why}: ${WIPE}` };
    case 'foreign': {
      const data = sequence === null ? 'perhaps data' : `data up to sequence ${sequence}`;
      const what = `it has a cluster topology (version ${version})${sequence === 0 ? '' : ` and ${data}`}`;
      return { kind: sequence === 0 ? 'hasTopology' : 'hasData', why: `${what}: ${WIPE_FOREIGN}` };
    }
    case 'impossible':
      return { kind: 'refuses', why: `${standing.why}: look at that node first` };
    default:
      return unreachable(standing);
  }
}

function failedStanding({ kind, message }: NodeError): SpareStanding {
  switch (kind) {
    case 'ownFault':
      return { kind: 'ownFault', why: `this controller cannot look at it: ${message}` };
    case 'connectionRefused':
    case 'unreachable':
    case 'timedOut':
    case 'connectionLost':
    case 'garbage':
      return { kind: 'silent', why: `it does not answer (${message}): start it` };
    case 'clusterDisabled':
      return { kind: 'noClusterMode', why: 'cluster mode is off: start it with "cluster-enabled yes"' };
    case 'passwordRequired':
    case 'wrongPassword':
      return {
        kind: 'wrongPassword',
        why: `it refuses the password that is recorded for it, or that of the cluster where none is (${message}): name the right one in PUT .../spares, or set requirepass and masterauth on it`,
      };
    case 'passwordNotSet':
      return {
        kind: 'wrongPassword',
        why: 'it takes everybody, although a password is recorded for it, or for the nodes of the cluster: set requirepass and masterauth on it',
      };
    case 'notKvrocks':
      return { kind: 'notKvrocks', why: `it is not a Kvrocks server: ${message}` };
    default:
      return { kind: 'refuses', why: `it answers with an error: ${message}` };
  }
}
