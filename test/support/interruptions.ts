// Ways in which the leading controller loses its lead, and the moments at which it does, told by what a node says of itself.

import type { ControllerProcess, Trio } from './controller-process.ts';
import type { KvrocksNode } from './kvrocks-node.ts';
import { fieldsOf } from './node-commands.ts';
import { notYet, waitUntil } from './wait-until.ts';

/** Asked for with INTERRUPTED_RUNS: every row, and so many random ones. The suite has a share of them, to be over in minutes. */
const RUNS = process.env['INTERRUPTED_RUNS'];

export const IS_THOROUGH = RUNS !== undefined;

export const RANDOM_RUNS = Number(RUNS ?? 1);

/** All rows of a table when they were asked for, else its first `count`. */
export function share<T>(rows: readonly T[], count: number): T[] {
  return rows.slice(0, IS_THOROUGH ? rows.length : count);
}

export type Interruption = 'kill' | 'hang' | 'transfer';

/** Takes the lead from `leader`, and returns when all members agree on a leader again. */
export async function interrupt(
  trio: Trio,
  leader: ControllerProcess,
  how: Interruption = 'kill',
): Promise<void> {
  switch (how) {
    case 'kill':
      await leader.kill();
      await trio.leader();
      leader.start();
      break;
    case 'hang':
      leader.pause();
      try {
        await trio.leader([leader]);
      } finally {
        leader.resume();
      }
      break;
    default:
      await trio.api.post('/api/v1/controller/leader/transfer');
  }
  await trio.leader();
}

/** What a node says in one moment. Null where it says nothing of that, as while it loads or wants a password. */
export interface Words {
  readonly version: number | null;
  readonly role: string | null;
  readonly isLinked: boolean;
  readonly sequence: number | null;
  /** All of it, to be compared. */
  readonly text: string;
}

export async function wordsOf(node: KvrocksNode): Promise<Words> {
  const [version, info] = await Promise.all([
    node.raw('CLUSTERX', 'VERSION'),
    node.raw('INFO', 'replication'),
  ]);
  const fields = fieldsOf(info);
  const number = /^\$\d+\r\n(-?\d+)\r\n$/.exec(version)?.[1];
  const sequence = fields.get('master_repl_offset');
  const words = {
    version: number === undefined ? null : Number(number),
    role: fields.get('role') ?? null,
    isLinked: fields.get('master_link_status') === 'up',
    sequence: sequence === undefined ? null : Number(sequence),
  };
  const sync = fields.get('master_sync_in_progress') ?? '';
  return { ...words, text: [version.trim(), words.role, words.isLinked, sync, sequence].join(' ') };
}

/** Waits until the node says what `condition` wants. Asks without pause, so that the moment is met. */
export async function untilWords(
  node: KvrocksNode,
  what: string,
  condition: (words: Words) => boolean,
): Promise<Words> {
  return waitUntil(
    `${node.address} to say: ${what}`,
    async () => {
      const words = await wordsOf(node);
      return condition(words) ? words : notYet(words);
    },
    { intervalMs: 1 },
  );
}

/** Waits until the node has said something else than before for the `count`-th time. */
export async function untilChanges(node: KvrocksNode, count: number): Promise<Words> {
  const { text } = await wordsOf(node);
  let last = text;
  let left = count;
  return untilWords(node, `${count} times something new`, (words) => {
    if (words.text !== last) left -= 1;
    last = words.text;
    return left <= 0;
  });
}

/** The index up to which `member` has applied the log, as it says itself. */
async function appliedIndexOf(trio: Trio, member: ControllerProcess): Promise<number> {
  const { text } = await trio.api.sendTo(member.url, 'GET', '/metrics');
  return Number(/^kvrocks_controller_raft_applied_index (\d+)/m.exec(text)?.[1]);
}

/** Runs `request` and kills `leader` as soon as another member has applied something new. Returns what the request came to. */
export async function killedAtCommit<T>(
  trio: Trio,
  leader: ControllerProcess,
  request: () => Promise<T>,
): Promise<T | 'lost'> {
  const witness = trio.members.find((member) => member !== leader);
  if (witness === undefined) throw new Error('a group of one has no witness');
  const before = await appliedIndexOf(trio, witness);
  const outcome = request().catch(() => 'lost' as const);
  await waitUntil(
    'something to be committed',
    async () => {
      const now = await appliedIndexOf(trio, witness);
      return now > before ? true : notYet(now);
    },
    { intervalMs: 1 },
  );
  await interrupt(trio, leader);
  return outcome;
}

/** Runs `request` and kills `leader` before anything is known of it. */
export async function killedAtOnce<T>(
  trio: Trio,
  leader: ControllerProcess,
  request: () => Promise<T>,
): Promise<T | 'lost'> {
  const outcome = request().catch(() => 'lost' as const);
  await interrupt(trio, leader);
  return outcome;
}
