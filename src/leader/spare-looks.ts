// One look at a spare: what it says of itself, and whether it is a node of a cluster here, or another spare, under a second name.

import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { err, ok } from '../base/result.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import type { Situation } from '../control/situation.ts';
import {
  spareMemory,
  type SpareLook,
  type SpareProcess,
  type SpareReport,
  type SpareStanding,
  spareStanding,
} from '../control/spare-memory.ts';
import { beside, mayBe, memberText, passwordFault } from '../control/spare-watch.ts';
import { newNodeId } from '../topology/node.ts';
import type { Spare } from '../topology/spares.ts';
import type { Cluster } from '../topology/types.ts';
import type { NodeClient } from './ports.ts';

/** Milliseconds for the questions about the spare itself. */
const INSPECT_DEADLINE_MS = 2_000;

/** Milliseconds in which it is told apart from all others. */
const COMPARE_DEADLINE_MS = 3_000;

/** Milliseconds for which one that was told apart from everybody is not asked about that again, while it is not to be used: it costs a connection to each member. */
const COMPARED_MS = 60_000;

interface Parts {
  readonly client: NodeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly situation: () => Situation;
  /** All clusters: a spare may be a node of any. */
  readonly clusters: () => readonly Cluster[];
}

/** What a spare says, and what that makes of it. */
interface Seen {
  readonly isAnswered: boolean;
  readonly standing: SpareStanding;
  readonly process: SpareProcess | null;
  readonly startedAtMs: number;
}

/** `isToUse`: it is about to become a member. Never rejects, and changes nothing at any node. */
export async function lookAtSpare(parts: Parts, spare: Spare, isToUse: boolean): Promise<SpareLook> {
  const { address, password } = spare;
  const { isAnswered: _, ...found } = await (isToUse ? beforeUse(parts, spare) : inReserve(parts, spare));
  const id = newNodeId(parts.random);
  return { address, password, ...found, isToldApart: isToUse, id, endedAtMs: parts.clock.monotonicMs() };
}

/** Told apart from everybody first: that it is empty has to be the newest that is known of it. */
async function beforeUse(parts: Parts, spare: Spare): Promise<Seen & Pick<SpareLook, 'comparedAtMs'>> {
  const startedAtMs = parts.clock.monotonicMs();
  const twin = await twinOf(parts, spare, beside(parts.situation(), spare));
  if (twin !== null)
    return { isAnswered: false, standing: twin, process: null, startedAtMs, comparedAtMs: null };
  return { ...(await ask(parts, spare)), comparedAtMs: startedAtMs };
}

/** Whoever is empty can be another spare only; whoever is not may be anybody, whom nobody must be advised to stop. */
async function inReserve(parts: Parts, spare: Spare): Promise<Seen & Pick<SpareLook, 'comparedAtMs'>> {
  const seen = await ask(parts, spare);
  const nowMs = parts.clock.monotonicMs();
  const situation = parts.situation();
  if (!seen.isAnswered) return { ...seen, comparedAtMs: null };
  const { look } = spareMemory(situation.memory.spares, spare);
  const isSame = seen.process !== null && look?.process?.id === seen.process.id;
  const comparedAtMs = isSame ? look.comparedAtMs : null;
  switch (seen.standing.kind) {
    case 'ready': {
      const others = mayBe(situation, spare, seen.process);
      const twin = others.length === 0 ? null : await twinOf(parts, spare, others);
      return { ...seen, standing: twin ?? seen.standing, comparedAtMs: null };
    }
    case 'hasData':
    case 'hasTopology':
    case 'refuses': {
      if (comparedAtMs !== null && nowMs - comparedAtMs < COMPARED_MS) return { ...seen, comparedAtMs };
      const twin = await twinOf(parts, spare, beside(situation, spare));
      return { ...seen, standing: twin ?? seen.standing, comparedAtMs: twin === null ? nowMs : null };
    }
    default:
      return { ...seen, comparedAtMs: null };
  }
}

async function ask(parts: Parts, spare: Spare): Promise<Seen> {
  const { client, clock } = parts;
  const startedAtMs = clock.monotonicMs();
  const answer = await client.inspect(spare, INSPECT_DEADLINE_MS);
  if (!answer.ok)
    return {
      isAnswered: false,
      standing: spareStanding(spare.address, answer),
      process: null,
      startedAtMs,
    };
  const process = processOf(answer.value, clock.monotonicMs());
  return { isAnswered: true, standing: standingOf(parts, spare, answer.value), process, startedAtMs };
}

/** An id is kept by one process at a time: only a copy of its disk has it, too. */
function standingOf({ clusters, situation }: Parts, spare: Spare, report: SpareReport): SpareStanding {
  const member = report.id === null ? null : memberText(clusters(), report.id);
  if (member !== null)
    return {
      kind: 'otherName',
      why: `it says that it is ${member}: leave it as it is, and take this name of it off the list`,
    };
  const fault = passwordFault(situation().cluster, spare, report);
  return fault === null ? spareStanding(spare.address, ok(report)) : { kind: 'wrongPassword', why: fault };
}

function processOf({ processId, uptimeSeconds }: SpareReport, nowMs: number): SpareProcess | null {
  if (typeof processId !== 'number' || typeof uptimeSeconds !== 'number') return null;
  return { id: processId, startedAtMs: nowMs - uptimeSeconds * 1000 };
}

/** Why it cannot be told apart from somebody else here; null when it can. */
async function twinOf(
  { client, random }: Parts,
  spare: Spare,
  others: readonly NodeEndpoint[],
): Promise<SpareStanding | null> {
  const { groups, failures } = await client.sameProcess([spare, ...others], random, COMPARE_DEADLINE_MS);
  const failure = failures.get(spare.address);
  if (failure !== undefined) return spareStanding(spare.address, err(failure));
  const group = groups.find((addresses) => addresses.includes(spare.address)) ?? [];
  const other = group.find((address) => address !== spare.address);
  if (other === undefined) return null;
  return {
    kind: 'otherName',
    why: `it is another name of ${other}; one process is one node: leave it as it is, and take this name of it off the list`,
  };
}
