// Who belongs to the group of controllers, who leads it, and changes of both.

import type { Command } from 'commander';

import { printable } from '../../base/printable.ts';
import type { Client } from '../client.ts';
import { EXIT, Failure, usage } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Cell } from '../terminal.ts';
import type { Act } from './act.ts';
import { errorText } from './api-call.ts';

export function registerRaft(program: Command, act: Act): void {
  const raft = program.command('raft').description('the group of controllers');
  const list = program.commands.find((command) => command.name() === 'list');
  const lists = [
    raft.command('list').description('who belongs to it'),
    ...(list === undefined ? [] : [list]),
  ];
  for (const each of lists)
    each
      .command('peers')
      .description('controllers, and who leads them')
      .addHelpText('after', '\nExample: kvctl raft list peers')
      .action(
        act(async (session) => {
          const { data } = await session.client.get('/raft/peers');
          const { members, leader } = data as PeersBody;
          await showMembers(session, data, { members, leader });
        }),
      );
  raft
    .command('status')
    .description('what the leader knows of each, and whether each is ready')
    .addHelpText('after', '\nExample: kvctl raft status -H 10.0.0.1:9379,10.0.0.2:9379')
    .action(act((session) => showStatus(session)));
  raft
    .command('transfer')
    .description('give the lead to another controller: to whoever has most of the log')
    .option('--to <id>', 'to this one')
    .addHelpText('after', '\nExample: kvctl raft transfer --to 2')
    .action(
      act(async (session, _, { to }) => {
        const body = typeof to === 'string' ? { to: memberId(to) } : {};
        const { data } = await session.client.send('POST', '/controller/leader/transfer', body);
        const { leader } = data as { leader: { id: number; addr: string } };
        await session.output.done(printable(`controller ${leader.id} at ${leader.addr} leads`), data, [
          String(leader.id),
        ]);
      }),
    );
  registerChanges(raft, act);
}

function registerChanges(raft: Command, act: Act): void {
  raft
    .command('add')
    .description('take a controller in')
    .command('peer <id> <address>')
    .description('it votes once it has caught up; its number must be new to the group')
    .addHelpText('after', '\nExample: kvctl raft add peer 4 10.0.0.4:9379')
    .action(
      act(async (session, [id = '', peer = '']) => {
        const body = { id: memberId(id), peer, operation: 'add' };
        const { data } = await session.client.send('POST', '/raft/peers', body);
        await session.output.done(printable(`controller ${id} at ${peer} was added`), data, [id]);
      }),
    );
  raft
    .command('remove')
    .description('send a controller away')
    .command('peer <id>')
    .description('it stops itself, and its number is never used again')
    .addHelpText('after', '\nExample: kvctl raft remove peer 4 --yes')
    .action(
      act(async (session, [id = '']) => {
        const body = { id: memberId(id), operation: 'remove' };
        await session.terminal.confirm(`controller ${id} is to leave the group for good`, id);
        const { data } = await session.client.send('POST', '/raft/peers', body);
        await session.output.done(`controller ${id} was removed`, data, [id]);
      }),
    );
}

/** Throws `Failure` for what is no number. */
export function memberId(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text))
    throw usage(`${JSON.stringify(text)} is no number of a controller, such as 4`);
  return Number(text);
}

interface MemberBody {
  readonly id: number;
  readonly addr: string;
  readonly role: string;
  readonly lag: number | null;
  readonly lastContactMs: number | null;
  readonly featureLevel: number | null;
}

export interface PeersBody {
  readonly leader: number;
  readonly members: readonly MemberBody[];
  readonly featureLevel: number;
}

/** Whether a member is ready, as it says itself; the reason where it is not. */
type Readiness = { readonly ready: boolean; readonly why: string };

interface Shown {
  readonly members: readonly (MemberBody & Partial<Readiness>)[];
  /** 0 where nobody leads. */
  readonly leader: number;
  /** Before the table. */
  readonly sentence?: string;
}

async function showMembers(
  session: Session,
  data: unknown,
  { members, leader, sentence }: Shown,
): Promise<void> {
  const isAsked = members.some(({ ready }) => ready !== undefined);
  await session.output.show({
    data,
    items: members,
    names: members.map(({ id }) => String(id)),
    table: () => {
      if (sentence !== undefined) session.terminal.print(printable(sentence));
      session.terminal.table(
        ['ID', 'ADDRESS', 'ROLE', 'LAG', 'HEARD', 'LEVEL', ...(isAsked ? ['READY'] : [])],
        members.map((member) => [
          String(member.id),
          member.addr,
          member.id === leader ? { text: 'leader', colour: 'bold' } : member.role,
          member.lag === null ? '' : String(member.lag),
          member.lastContactMs === null ? '' : `${member.lastContactMs} ms ago`,
          String(member.featureLevel ?? '?'),
          ...(isAsked ? [readyCell(member)] : []),
        ]),
      );
    },
  });
}

function readyCell({ ready = false, why = '' }: Partial<Readiness>): Cell {
  return ready ? { text: 'yes', colour: 'green' } : { text: `no: ${why}`, colour: 'red' };
}

/** For one question to one member, which may be dead. */
const MEMBER_MS = 2000;

/** The leader knows how far the others are; who does not know it says nothing of that. */
async function showStatus(session: Session): Promise<void> {
  const { data: current } = await session.client.get('/controller/leader');
  const { leader, term } = current as { leader: { id: number; addr: string } | null; term: number };
  const { data } = await peersAsSeenBy(session, leader?.addr ?? null);
  const { members, featureLevel } = data as PeersBody;
  const answers = await Promise.all(members.map(({ addr }) => readinessOf(addr)));
  const asked = members.map((member, index) => Object.assign({}, member, answers[index]));
  const who = leader === null ? 'nobody leads' : `controller ${leader.id} at ${leader.addr} leads`;
  await showMembers(
    session,
    { leader, term, feature_level: featureLevel, members: asked },
    {
      members: asked,
      leader: leader?.id ?? 0,
      sentence: `${who}, term ${term}, feature level ${featureLevel}`,
    },
  );
}

async function peersAsSeenBy(session: Session, leader: string | null): ReturnType<Client['get']> {
  const path = '/raft/peers';
  if (leader === null) return session.client.get(path);
  try {
    return await session.client.at([leader], MEMBER_MS).get(path);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== EXIT.unreachable) throw error;
    session.terminal.tell(`${error.message}: what follows is what another controller knows`);
    return session.client.get(path);
  }
}

async function readinessOf(address: string): Promise<Readiness> {
  try {
    const response = await fetch(`http://${address}/readyz`, {
      redirect: 'error',
      signal: AbortSignal.timeout(MEMBER_MS),
    });
    if (response.ok) {
      await response.body?.cancel();
      return { ready: true, why: '' };
    }
    return { ready: false, why: errorText(await response.text(), response.status) };
  } catch {
    return { ready: false, why: 'it does not answer' };
  }
}
