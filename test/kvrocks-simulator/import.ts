// The target's side of a slot migration: CLUSTER IMPORT and the state that CLUSTER INFO shows (facts sections 5.2 and 9).

import { err, ok, type Result } from '../../src/base/result.ts';
import type { Keyspace } from './keyspace.ts';
import type { Session } from './session.ts';
import { rangeText, sameRange, type SlotRange } from './slots.ts';
import type { TopologyState } from './topology-state.ts';

/** `error` is what a failed or abandoned import is called; `none` is never printed. */
export type ImportState = 'none' | 'start' | 'success' | 'error';

export class SlotImport {
  readonly #keyspace: Keyspace;
  readonly #topology: TopologyState;
  readonly #isReplica: () => boolean;
  readonly #onStart: (range: SlotRange) => void;
  state: ImportState = 'none';
  range: SlotRange | null = null;

  constructor(
    keyspace: Keyspace,
    topology: TopologyState,
    {
      isReplica,
      onStart,
    }: { readonly isReplica: () => boolean; readonly onStart: (range: SlotRange) => void },
  ) {
    this.#keyspace = keyspace;
    this.#topology = topology;
    this.#isReplica = isReplica;
    this.#onStart = onStart;
  }

  /** CLUSTER IMPORT range 0: the slot's keys here are deleted first, and the connection becomes the import's. */
  start(range: SlotRange, session: Session): Result<null, string> {
    const refusal = this.#refusal(range);
    if (refusal !== null) return err(refusal);
    if (this.state === 'start' && this.range !== null && !sameRange(this.range, range)) {
      return err(`only one importing job is allowed, current importing: ${rangeText(this.range)}`);
    }
    if (this.state !== 'start') this.#keyspace.deleteSlots(range);
    this.state = 'start';
    this.range = range;
    // Stays until the next topology: who imports goes on writing after that has ended otherwise (cluster.cc, CanExecByMySelf).
    if (this.#topology.myself !== null) this.#topology.myself.importing = range;
    this.#onStart(range);
    session.importing = true;
    session.closeListeners.push(() => this.#connectionLost());
    return ok(null);
  }

  /** CLUSTER IMPORT range 1: from now on the slot is served here, until the next push. */
  succeed(range: SlotRange): Result<null, string> {
    const refusal = this.#refusal(range) ?? this.#mismatch(range);
    if (refusal !== null) return err(refusal);
    this.state = 'success';
    for (let slot = range.start; slot <= range.end; slot += 1) this.#topology.imported.add(slot);
    return ok(null);
  }

  /** CLUSTER IMPORT range 2. Also after a success: the data goes, and the slots are served here all the same, until the next push. */
  fail(range: SlotRange): Result<null, string> {
    const refusal = this.#refusal(range) ?? this.#mismatch(range);
    if (refusal !== null) return err(refusal);
    this.#abandon(range);
    return ok(null);
  }

  #refusal(range: SlotRange): string | null {
    const { myself } = this.#topology;
    if (myself === null || myself.role !== 'master' || this.#isReplica()) return "Slave can't import slot";
    if (this.#topology.owners[range.start]?.id === myself.id) return "Can't import slot which belongs to me";
    return null;
  }

  #mismatch(range: SlotRange): string | null {
    if (sameRange(this.range, range)) return null;
    const current = this.range === null ? '-1' : rangeText(this.range);
    return `mismatch slot, importing slot(s): ${current}, but got: ${rangeText(range)}`;
  }

  /** Whatever is being imported, also over another connection (slot_import.cc, StopForLinkError). */
  #connectionLost(): void {
    if (this.state !== 'start' || this.range === null) return;
    this.#abandon(this.range);
    this.#keyspace.flush();
  }

  #abandon(range: SlotRange): void {
    this.state = 'error';
    if (!this.#isReplica()) this.#keyspace.deleteSlots(range);
  }
}
