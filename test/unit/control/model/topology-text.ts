// SETNODES texts as a node reads them: who is who, and who owns the slots that the model looks at.

import { present } from '../../../../src/base/assert.ts';
import type { NodeAddress, NodeId, NodeRole, Slot } from '../../../../src/topology/types.ts';
import { valueOf } from '../../topology/arbitrary.ts';
import { parseAddress } from '../../../../src/topology/node.ts';

export interface Row {
  readonly address: NodeAddress;
  readonly role: NodeRole;
  readonly master: NodeId | null;
}

export interface TopologyText {
  readonly rows: ReadonlyMap<NodeId, Row>;
  /** Of the slots the model looks at, those that the text gives to somebody. */
  readonly owners: ReadonlyMap<Slot, NodeId>;
}

/** Reads texts, each once: a fleet is told few different ones again and again. */
export class TopologyReader {
  readonly #slots: readonly Slot[];
  readonly #known = new Map<string, TopologyText>();

  constructor(slots: readonly Slot[]) {
    this.#slots = slots;
  }

  read(text: string): TopologyText {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const parsed = this.#parse(text);
    this.#known.set(text, parsed);
    return parsed;
  }

  #parse(text: string): TopologyText {
    const rows = new Map<NodeId, Row>();
    const owners = new Map<Slot, NodeId>();
    for (const line of text.split('\n')) {
      const [id, host, port, role, master, ...ranges] = line.split(' ');
      const nodeId = present(id, 'a line has an id') as NodeId;
      const address = valueOf(parseAddress(`${host}:${port}`));
      rows.set(nodeId, {
        address,
        role: role === 'master' ? 'master' : 'replica',
        master: master === '-' ? null : (present(master, 'a line has a master') as NodeId),
      });
      for (const range of ranges) {
        const [start, stop] = range.split('-').map(Number);
        for (const slot of this.#slots) {
          if (slot >= (start ?? 0) && slot <= (stop ?? start ?? 0)) owners.set(slot, nodeId);
        }
      }
    }
    return { rows, owners };
  }
}
