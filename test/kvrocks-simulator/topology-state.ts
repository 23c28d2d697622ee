// What one node knows of its cluster: version, own id, nodes, owners of slots, and the slots it migrated or imported.

import { networkInterfaces } from 'node:os';

import { err, ok, type Result } from '../../src/base/result.ts';
import { contains, SLOT_COUNT, type SlotRange } from './slots.ts';
import { parseTopologyText, type ClusterNode } from './topology-text.ts';

export type SetNodesOutcome =
  /** The version was equal: nothing was even parsed (facts section 2.2). */
  | { readonly kind: 'ignored' }
  /** `abandoned` are migrated slots that now belong to another node: their keys are to be deleted. */
  | { readonly kind: 'applied'; readonly abandoned: readonly number[] };

/** Where this node is reached, for finding itself in a text. */
export interface OwnAddress {
  readonly binds: readonly string[];
  readonly port: number;
}

export class TopologyState {
  readonly #own: OwnAddress;
  version = -1n;
  myId = '';
  /** A null is the entry that SETSLOT to an unknown id leaves behind (facts section 6). */
  nodes = new Map<string, ClusterNode | null>();
  owners: (ClusterNode | null)[] = noOwners();
  myself: ClusterNode | null = null;
  /** Masters with slots; not recomputed by SETSLOT. */
  size = 0;
  /** Slots that a finished job moved away, with `host:port` of the target, until the next push. */
  readonly migrated = new Map<number, string>();
  /** Slots that a finished job brought here, until the next push. */
  readonly imported = new Set<number>();

  constructor(own: OwnAddress) {
    this.#own = own;
  }

  get initialized(): boolean {
    return this.version >= 0n;
  }

  /** CLUSTERX SETNODES without the replication that follows; the error is the server's text after `ERR `. */
  setNodes(text: string, version: bigint, force: boolean): Result<SetNodesOutcome, string> {
    if (version < 0n) return err('Invalid cluster version');
    if (!force && version < this.version) return err('Invalid cluster version');
    if (!force && version === this.version) return ok({ kind: 'ignored' });
    const parsed = parseTopologyText(text);
    if (!parsed.ok) return parsed;
    this.version = version;
    // The server's own order is that of a hash map, most often the reverse of the text.
    this.nodes = new Map([...parsed.value.nodes].reverse());
    for (const [slot, id] of parsed.value.owners) this.owners[slot] = this.nodes.get(id) ?? null;
    this.size = new Set(parsed.value.owners.values()).size;
    if (this.myId === '' || force) this.#findMyself();
    this.myself = this.nodes.get(this.myId) ?? null;
    return ok({ kind: 'applied', abandoned: this.#endPendingMoves() });
  }

  /** CLUSTERX SETNODEID: with a topology present the node takes the role of that id at once. */
  setMyId(id: string): void {
    this.myId = id;
    this.myself = this.nodes.get(id) ?? null;
  }

  /** CLUSTERX SETSLOT. Returns the slots whose keys are to be deleted: migrated ones that leave this node now. */
  setSlots(ranges: readonly SlotRange[], id: string, version: bigint): Result<readonly number[], string> {
    if (version <= 0n || version !== this.version + 1n) return err('Invalid cluster version');
    const target = this.nodes.get(id);
    if (target === undefined || target === null) {
      this.nodes.set(id, null);
      return err('No this node in the cluster');
    }
    if (target.role !== 'master') return err("The node isn't a master");
    this.version = version;
    const abandoned: number[] = [];
    for (const { start, end } of ranges) {
      for (let slot = start; slot <= end; slot += 1) {
        const previous = this.owners[slot];
        this.owners[slot] = target;
        if (previous !== this.myself || previous === target) continue;
        if (this.migrated.delete(slot)) abandoned.push(slot);
        this.imported.delete(slot);
      }
    }
    return ok(abandoned);
  }

  /** CLUSTER RESET. */
  reset(): void {
    this.version = -1n;
    this.myId = '';
    this.nodes = new Map();
    this.owners = noOwners();
    this.myself = null;
    this.size = 0;
    this.migrated.clear();
    this.imported.clear();
  }

  /** Whether an entry of an unknown id is left: whatever walks all nodes then crashes the server (facts section 6). */
  get poisoned(): boolean {
    return [...this.nodes.values()].includes(null);
  }

  owns(range: SlotRange): boolean {
    if (this.myself === null) return false;
    for (let slot = range.start; slot <= range.end; slot += 1) {
      if (this.owners[slot] !== this.myself) return false;
    }
    return true;
  }

  isImporting(slot: number): boolean {
    return this.myself !== null && contains(this.myself.importing, slot);
  }

  #findMyself(): void {
    const addresses = ownAddresses(this.#own.binds);
    for (const node of this.nodes.values()) {
      if (node !== null && node.port === this.#own.port && addresses.has(node.host)) {
        this.myId = node.id;
        return;
      }
    }
  }

  #endPendingMoves(): readonly number[] {
    const abandoned = [...this.migrated.keys()].filter((slot) => this.owners[slot] !== this.myself);
    this.migrated.clear();
    this.imported.clear();
    return abandoned;
  }
}

function noOwners(): (ClusterNode | null)[] {
  return Array.from({ length: SLOT_COUNT }, () => null);
}

/** The literal `bind` addresses, or every interface address when one of them is the wildcard (facts section 2.1). */
function ownAddresses(binds: readonly string[]): ReadonlySet<string> {
  const wildcard = binds.some((bind) => bind === '0.0.0.0' || bind === '::' || bind === '*');
  if (!wildcard) return new Set(binds);
  const interfaces = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return new Set([...binds, ...interfaces.map((entry) => entry.address)]);
}
