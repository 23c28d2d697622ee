// `wait`: until a cluster is as it should be, for people and for the next line of a script.

import { EXIT, Failure } from '../failure.ts';
import type { Client } from '../client.ts';
import type { Session } from '../session.ts';
import { existing } from './named.ts';
import { endOnInterrupt, Patience, pause } from './polling.ts';
import { spanText } from './span-text.ts';
import type { MigrationBody, StatusBody } from './status-body.ts';
import { clusterStanding, type Goal, parseGoal, type Standing, taskStanding } from './wait-goal.ts';

export interface WaitFlags {
  readonly cluster: string;
  /** As `--for` has it. */
  readonly goal: string;
  /** Milliseconds; null where nobody has said. */
  readonly timeoutMs: number | null;
}

/** Scripts end some time, also those whose author forgot about it. */
const WAIT_DEFAULT_MS = 600_000;
const POLL_MS = 500;
/** For one look, so that a change of the leader is seen and told. */
const LOOK_MS = 5000;

/** What was seen, as the API has it, and what it means. */
interface Look {
  readonly data: unknown;
  readonly standing: Standing;
}

export async function wait(session: Session, { cluster, goal: text, timeoutMs }: WaitFlags): Promise<void> {
  const goal = parseGoal(text);
  const allMs = timeoutMs ?? WAIT_DEFAULT_MS;
  const follow = followText(session, cluster, goal);
  endOnInterrupt(() => session.terminal.tell(`no longer waited for; nothing was stopped by that: ${follow}`));
  const client = session.client.at(session.client.hosts, Math.min(LOOK_MS, allMs));
  const ask = (): Promise<Look> => lookAt(client, session.path('', cluster), goal);
  const last = await untilOver(session, ask, performance.now() + allMs);
  if (last === null)
    throw new Failure(
      EXIT.unreachable,
      `nobody has answered for ${spanText(allMs)}: ${client.hosts.join(', ')}`,
    );
  const { data, standing } = last;
  switch (standing.kind) {
    case 'reached':
      return session.output.done(`${cluster}: ${standing.text}`, data, [cluster]);
    case 'failed':
      throw new Failure(standing.isMissing ? EXIT.missing : EXIT.failed, standing.text);
    case 'waiting':
      throw new Failure(
        EXIT.unknown,
        `${text} is not reached after ${spanText(allMs)}: ${standing.text}. Nothing was stopped; ${follow}`,
      );
  }
}

/** The last look: reached, failed, or what it was when the time was over. Null where there was none. */
async function untilOver(session: Session, ask: () => Promise<Look>, endMs: number): Promise<Look | null> {
  const patience = new Patience(session);
  let last: Look | null = null;
  for (;;) {
    const look: Look | null = await patience.look(ask);
    if (look !== null && look.standing.kind !== 'waiting') return look;
    if (look !== null && look.standing.text !== last?.standing.text)
      session.terminal.tell(look.standing.text);
    last = look ?? last;
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return last;
    await pause(Math.min(POLL_MS, leftMs));
  }
}

async function lookAt(client: Client, path: string, goal: Goal): Promise<Look> {
  if (goal.kind === 'task') {
    const { data } = await existing(`migration ${goal.id}`, () =>
      client.get(`${path}/migrations/${goal.id}`),
    );
    return { data, standing: taskStanding((data as { readonly migration: MigrationBody }).migration) };
  }
  const { data } = await existing('the cluster', () => client.get(`${path}/status`));
  return { data, standing: clusterStanding(goal, (data as { readonly status: StatusBody }).status) };
}

/** How to look further. */
function followText({ namespace }: Session, cluster: string, goal: Goal): string {
  const again = `kvctl wait cluster ${cluster} -n ${namespace} --for ${goalText(goal)}`;
  return `look with: kvctl status ${cluster} -n ${namespace}, or wait again: ${again}`;
}

function goalText(goal: Goal): string {
  switch (goal.kind) {
    case 'master':
      return `master=${goal.node}`;
    case 'task':
      return `task=${goal.id}`;
    default:
      return goal.kind;
  }
}
