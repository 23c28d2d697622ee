// The parts of Raft as the driver knows them, with a clock beside each: what takes time is measured where it is asked for.

import type { Clock } from '../base/clock.ts';
import type { Message } from '../raft/core/messages.ts';
import type { MemberId } from '../raft/core/types.ts';
import type { DurableLog, SnapshotStore, StateMachine, Transport } from '../raft/ports.ts';
import type { Consensus } from '../store/types.ts';
import type { ProposalResult, RaftTally } from '../telemetry/raft-counts.ts';

export interface Measuring {
  readonly clock: Clock;
  readonly tally: RaftTally;
}

/** Proposals and reads with their outcomes. */
export function measuredConsensus(consensus: Consensus, { clock, tally }: Measuring): Consensus {
  return {
    propose: async (data, options) => {
      const startedMs = clock.monotonicMs();
      const outcome = await consensus.propose(data, options);
      tally.proposed(resultOf(outcome), clock.monotonicMs() - startedMs);
      return outcome;
    },
    read: async (deadlineMs) => {
      const outcome = await consensus.read(deadlineMs);
      if (!outcome.ok && outcome.error.kind === 'overloaded') tally.readRejected();
      return outcome;
    },
  };
}

function resultOf(outcome: Awaited<ReturnType<Consensus['propose']>>): ProposalResult {
  if (outcome.ok) return 'applied';
  return outcome.error.kind === 'notLeader' ? 'not_leader' : outcome.error.kind;
}

/** Durable writes; cuts and resets are not what a write of a client waits for. */
export function measuredLog(log: DurableLog, { clock, tally }: Measuring): DurableLog {
  return {
    get spaceLow() {
      return log.spaceLow;
    },
    get failure() {
      return log.failure;
    },
    hasRoomFor: (bytes) => log.hasRoomFor(bytes),
    write: (group, done) => {
      const startedMs = clock.monotonicMs();
      log.write(group, (error) => {
        tally.synced(clock.monotonicMs() - startedMs);
        done(error);
      });
    },
    compact: (base, done) => log.compact(base, done),
    reset: (base, done) => log.reset(base, done),
    close: (done) => log.close(done),
  };
}

export function measuredMachine(machine: StateMachine, { clock, tally }: Measuring): StateMachine {
  return {
    get applied() {
      return machine.applied;
    },
    get appliedTerm() {
      return machine.appliedTerm;
    },
    apply: (entries) => {
      const startedMs = clock.monotonicMs();
      const results = machine.apply(entries);
      tally.applied(clock.monotonicMs() - startedMs);
      return results;
    },
    flush: (done) => machine.flush(done),
    snapshot: () => machine.snapshot(),
    restore: (meta) => machine.restore(meta),
  };
}

/** `onNewest` is told when another snapshot may have become the newest. */
export function measuredSnapshots(
  snapshots: SnapshotStore,
  { clock, tally }: Measuring,
  onNewest: () => void,
): SnapshotStore {
  return {
    newest: () => snapshots.newest(),
    save: (meta, chunks, done) => {
      const startedMs = clock.monotonicMs();
      snapshots.save(meta, chunks, (result) => {
        if (!(result instanceof Error)) tally.snapshot('save', clock.monotonicMs() - startedMs);
        onNewest();
        done(result);
      });
    },
    load: (file, onPiece, done) => {
      const startedMs = clock.monotonicMs();
      snapshots.load(file, onPiece, (error) => {
        if (error === null) tally.snapshot('load', clock.monotonicMs() - startedMs);
        done(error);
      });
    },
    older: (file, done) => snapshots.older(file, done),
    accept: (file) => {
      snapshots.accept(file);
      onNewest();
    },
    discard: (file, done) => snapshots.discard(file, done),
    prune: (done) => snapshots.prune(done),
  };
}

/** A heartbeat that is not answered for so long was lost, or its answer was: the next one is measured. */
const LOST_MS = 10_000;

/** From heartbeats to their answers: the first that is open counts, so a slow way is not taken for a fast one. */
export class RoundTrips {
  readonly #measuring: Measuring;
  readonly #openSinceMs = new Map<MemberId, number>();

  constructor(measuring: Measuring) {
    this.#measuring = measuring;
  }

  heard(message: Message): void {
    if (message.kind !== 'heartbeatReply') return;
    const { clock, tally } = this.#measuring;
    const startedMs = this.#openSinceMs.get(message.from);
    if (startedMs === undefined) return;
    this.#openSinceMs.delete(message.from);
    tally.roundTrip(message.from, clock.monotonicMs() - startedMs);
  }

  unreachable(peer: MemberId): void {
    this.#openSinceMs.delete(peer);
  }

  /** The transport, with what it sends noted. */
  measured(transport: Transport): Transport {
    const { clock, tally } = this.#measuring;
    return {
      send: (messages) => {
        for (const message of messages) if (message.kind === 'heartbeat') this.#sent(message.to);
        transport.send(messages);
      },
      setAddresses: (addresses) => {
        for (const peer of this.#openSinceMs.keys()) if (!addresses.has(peer)) this.#openSinceMs.delete(peer);
        transport.setAddresses(addresses);
      },
      sendSnapshot: (to, term, file, done) => {
        const startedMs = clock.monotonicMs();
        transport.sendSnapshot(to, term, file, (delivered) => {
          if (delivered) tally.snapshot('send', clock.monotonicMs() - startedMs);
          done(delivered);
        });
      },
    };
  }

  #sent(to: MemberId): void {
    const nowMs = this.#measuring.clock.monotonicMs();
    const openSinceMs = this.#openSinceMs.get(to);
    if (openSinceMs === undefined || nowMs - openSinceMs > LOST_MS) this.#openSinceMs.set(to, nowMs);
  }
}
