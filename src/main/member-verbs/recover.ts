// `recover --force-new-group`: says what is there and what becomes of it, asks, and does it.

import { createInterface } from 'node:readline/promises';

import { printable } from '../../base/printable.ts';
import type { Config } from '../../config/config.ts';
import { otherMembers } from '../../raft/core/membership.ts';
import { memberId } from '../../raft/core/types.ts';
import { planRecovery, type Recovered, type RecoveryPlan } from '../../server/rescue/recover.ts';
import { systemClock } from '../../system/clock.ts';
import { createSystemRandom } from '../../system/random.ts';
import { refuseToStart } from '../complain.ts';

/** Resolves once the new group can be started, or ends the process with one line. */
export async function recover(config: Config, isYes: boolean): Promise<0> {
  const planned = await planRecovery(config, { clock: systemClock, random: createSystemRandom() });
  if (!planned.ok) return refuseToStart(`recover: ${planned.error}`);
  const plan = planned.value;
  for (const line of planLines(config, plan)) say(line);
  if (!isYes && !(await isConfirmed(config))) {
    await plan.giveUp();
    return refuseToStart('recover: not confirmed, nothing was changed (--yes where nobody can be asked)');
  }
  const recovered = await plan.carryOut().catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    return refuseToStart(
      `recover: interrupted: ${reason}. Mend that, then run the same again: it goes on where it was`,
    );
  });
  for (const line of doneLines(config, recovered)) say(line);
  return 0;
}

function planLines({ raft, advertiseAddress }: Config, { look, isResumed }: RecoveryPlan): readonly string[] {
  const { survey, audit } = look;
  const { identity, membership, last, committed, snapshot } = survey;
  const others = otherMembers(membership, memberId(raft.id));
  const unsure =
    last.index > committed
      ? `entries ${committed + 1} to ${last.index} may never have been acknowledged, and are kept`
      : 'all of it is known to be committed';
  const { clusters, namespaces } = audit.counts;
  return [
    `data directory ${raft.dataDir}: member ${identity.memberId} of group ${identity.clusterId}`,
    `  last entry   ${last.index} of term ${last.term}; ${unsure}`,
    `  snapshot     ${snapshot === null ? 'none' : `of entry ${snapshot}`}`,
    `  state        namespaces: ${namespaces}, clusters: ${clusters}, feature level ${audit.featureLevel}`,
    ...(survey.cuts.length > 0
      ? ['  torn write   the last write was under way when the process ended: left out']
      : []),
    ...audit.findings.map(({ key, text }) => `  ${key}: ${text}`),
    isResumed
      ? 'An earlier recovery was interrupted and goes on.'
      : `A new group of member ${raft.id} at ${advertiseAddress} alone is made of it. What only others had is lost.`,
    others.length === 0
      ? 'Nobody else belongs to the old group.'
      : `Members ${others.join(', ')} of the old group can take no part in it and must never run again: they would manage the same clusters beside it.`,
  ];
}

function doneLines({ raft }: Config, { clusterId, index, keptIn }: Recovered): readonly string[] {
  return [
    `done: group ${clusterId}, behind entry ${index}; what was there is kept in ${keptIn}`,
    `next: start member ${raft.id} as usual, compare each cluster with its nodes (kvctl check), then add members with empty data directories, new numbers and raft.cluster_state: existing`,
  ];
}

/** Asks for the number of the member; false also where nobody can be asked. */
async function isConfirmed({ raft }: Config): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await asking.question(`Type the number of the member (${raft.id}) to go on: `);
    return said.trim() === String(raft.id);
  } catch {
    // Ctrl-C, or the end of the input.
    return false;
  } finally {
    asking.close();
  }
}

function say(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}
