// Another master for a shard, as upstream's client asks for it, and what would become of that.

import type { Command } from 'commander';

import type { PlanBody } from '../../api/render.ts';
import { printable } from '../../base/printable.ts';
import { shardIndex, type Session } from '../session.ts';
import type { Cell } from '../terminal.ts';
import type { Act } from './act.ts';
import { nodeNamed } from './places.ts';

export function registerFailovers(program: Command, act: Act): void {
  const failover = program.command('failover').description('make another node the master of a shard');
  withFailoverFlags(failover.command('shard [index]'))
    .description('a living master hands over first and loses nothing; a dead one is replaced at once')
    .option('--force', 'also where writes may be lost: the best copy that answers becomes the master')
    .addHelpText('after', '\nExample: kvctl failover shard 0 -n shop -c carts --preferred 10.0.2.1:6666')
    .action(act((session, [index], flags) => failOver(session, shardOf(session, index), flags)));
  withFailoverFlags(program.command('switchover [index]'))
    .description('make another node the master of a shard, and never by force')
    .addHelpText('after', '\nExample: kvctl switchover 0 -n shop -c carts --dry-run')
    .action(act((session, [index], flags) => failOver(session, shardOf(session, index), flags)));
}

function withFailoverFlags(command: Command): Command {
  return command
    .option('--preferred <node>', 'who is to be the master: its id, the beginning of that, or its address')
    .option('--dry-run', 'show what would happen, and change nothing');
}

function shardOf(session: Session, index: string | undefined): number {
  return index === undefined ? session.shard : shardIndex(index);
}

const FULL_ID = /^[0-9a-f]{40}$/;

async function failOver(
  session: Session,
  shard: number,
  flags: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { preferred, force: isForced = false, dryRun: isDryRun = false } = flags;
  if (isForced === true && isDryRun === false)
    await session.terminal.confirm(
      `shard ${shard} of ${session.cluster} gets another master, also where writes are lost by that`,
      session.cluster,
    );
  const wanted = typeof preferred === 'string' ? await idOf(session, preferred) : '';
  const body = {
    preferred_node_id: wanted,
    ...(isForced === true ? { force: true } : {}),
    ...(isDryRun === true ? { dry_run: true } : {}),
  };
  const { data } = await session.client.send('POST', session.path(`/shards/${shard}/failover`), body);
  if (isDryRun === true) return showPlan(session, data, (data as { plan: PlanBody }).plan);
  const { new_master_id: id, warning } = data as { new_master_id: string; warning?: string };
  if (warning !== undefined) session.terminal.tell(`warning: ${warning}`);
  await session.output.done(printable(`${id} is the master of shard ${shard} now`), data, [id]);
}

/** Whole ids go as they are: upstream's clients have nothing else, and the server knows whose they are. */
async function idOf(session: Session, node: string): Promise<string> {
  return FULL_ID.test(node) ? node : (await nodeNamed(session, node)).id;
}

async function showPlan(session: Session, data: unknown, plan: PlanBody): Promise<void> {
  await session.output.show({
    data,
    names: plan.new_master_id === null ? [] : [plan.new_master_id],
    table: (isWide) => {
      session.terminal.print(planSentence(plan));
      if (plan.may_be_lost !== null)
        session.terminal.print(session.terminal.paint(printable(plan.may_be_lost), 'yellow'));
      session.terminal.table(
        ['ADDRESS', 'ID', 'BECOMES', 'SEQUENCE', 'BEHIND', 'WHY'],
        planRows(plan, isWide),
      );
    },
  });
}

/** The whole of a plan in a line. */
export function planSentence({ kind, reason }: PlanBody): string {
  switch (kind) {
    case 'drain':
      return printable(`the master would hand over first: ${reason}`);
    case 'failover':
      return printable(`the new master would take over at once: ${reason}`);
    case 'acceptance':
      return printable(`the master would stay, without the data it lost: ${reason}`);
    default:
      return printable(`this would be refused: ${reason}`);
  }
}

/** A row a node, the master first. */
export function planRows(plan: PlanBody, isWide: boolean): readonly (readonly Cell[])[] {
  const idText = (id: string): string => (isWide ? id : id.slice(0, 8));
  const { master, candidates } = plan;
  const isReplaced = plan.new_master_id !== null && plan.new_master_id !== master.id;
  return [
    [
      master.addr,
      idText(master.id),
      isReplaced ? 'replica' : 'master',
      String(master.sequence ?? '?'),
      '',
      master.answers
        ? 'the master, which answers'
        : { text: 'the master, which does not answer', colour: 'red' },
    ],
    ...candidates.map(({ id, addr, sequence, behind, eligible, reason }): readonly Cell[] => [
      addr,
      idText(id),
      id === plan.new_master_id ? { text: 'master', colour: 'green' } : 'replica',
      String(sequence ?? '?'),
      String(behind ?? '?'),
      eligible ? reason : { text: `no: ${reason}`, colour: 'yellow' },
    ]),
  ];
}
