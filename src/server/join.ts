// How a member that joins a running group learns which group that is.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { ClusterId } from '../raft/cluster-id.ts';

/** Milliseconds between two rounds of asking. */
const ROUND_MS = 1000;
/** Rounds between two lines in the log while nobody answers. */
const LOGGED_EVERY = 10;

/** What a member says of itself to anybody who asks. */
export interface ToldIdentity {
  readonly clusterId: ClusterId;
  readonly memberId: number;
}

export interface JoinParts {
  /** Members of the group, without this one. */
  readonly contacts: readonly string[];
  readonly self: number;
  /** Asks one member, with a deadline of its own; the error says why there is no answer. */
  readonly ask: (address: string) => Promise<Result<ToldIdentity, string>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told what this member waits for, as a sentence. */
  readonly onWaiting: (reason: string) => void;
  /** Ends the waiting. */
  readonly abandoned: AbortSignal;
}

/**
 * Asks all contacts, again and again, until one answers. The error is final and says how to mend the configuration;
 * null when it was abandoned. Whoever does not answer is not needed: one member of the group knows its name.
 */
export async function learnCluster(parts: JoinParts): Promise<Result<ClusterId, string> | null> {
  const { contacts, ask, clock, logger, onWaiting, abandoned } = parts;
  for (let round = 0; !abandoned.aborted; round += 1) {
    const answers = await Promise.all(
      contacts.map(async (address) => ({ address, told: await ask(address) })),
    );
    const judged = judge(answers, parts.self);
    if (judged !== null) return judged;
    const reasons = answers.map(({ address, told }) => `${address}: ${told.ok ? '' : told.error}`).join('; ');
    onWaiting(`waiting for a member of the group to join to say which group it is (${reasons})`);
    if (round % LOGGED_EVERY === 0) logger.info('raft.join.waiting', { contacts, reasons });
    await pause(clock, abandoned);
  }
  return null;
}

interface Answered {
  readonly address: string;
  readonly told: Result<ToldIdentity, string>;
}

/** Null while nobody has answered. */
function judge(answers: readonly Answered[], self: number): Result<ClusterId, string> | null {
  let first: { readonly address: string; readonly clusterId: ClusterId } | null = null;
  for (const { address, told } of answers) {
    if (!told.ok) continue;
    const { clusterId, memberId } = told.value;
    if (memberId === self) {
      return err(
        `raft.id: member ${self} runs at ${address} already; give this member a number that was never used`,
      );
    }
    if (first !== null && first.clusterId !== clusterId) {
      return err(
        `raft.peers names members of two groups: ${first.address} belongs to ${first.clusterId}, ${address} to ${clusterId}; list members of the group to join only`,
      );
    }
    first ??= { address, clusterId };
  }
  return first === null ? null : ok(first.clusterId);
}

function pause(clock: Clock, abandoned: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(ROUND_MS, end);
    function end(): void {
      timer.cancel();
      abandoned.removeEventListener('abort', end);
      resolve();
    }
    abandoned.addEventListener('abort', end);
  });
}
