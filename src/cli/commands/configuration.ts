// The configuration of controllers: what counts, read it again, another log level for a while.

import { Argument, type Command } from 'commander';

import { printable } from '../../base/printable.ts';
import { waitDuration } from '../durations.ts';
import { EXIT, Failure } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Act } from './act.ts';
import { memberId } from './raft.ts';

/** A member may be dead, or take its time over a file. */
const MEMBER_MS = 6000;

const MEMBER_FLAG = ['--member <id>', 'this controller alone'] as const;

interface SettingBody {
  readonly path: string;
  readonly value: unknown;
  readonly source: { readonly text: string };
  readonly reloadable: boolean;
}

interface ChangeBody {
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

export interface ConfigBody {
  readonly member: number;
  readonly settings: readonly SettingBody[];
  readonly without_effect: readonly string[];
  readonly needs_restart: readonly ChangeBody[];
  readonly log_level: { readonly level: string; readonly until: string | null };
  readonly last_reload: { readonly succeeded: boolean; readonly read_at: string };
}

interface ReloadBody {
  readonly applied: readonly ChangeBody[];
  readonly needs_restart: readonly ChangeBody[];
}

interface LogLevelBody {
  readonly level: string;
  readonly until: string | null;
}

export function registerConfiguration(program: Command, act: Act): void {
  program
    .command('config')
    .description('every setting of a controller, and who has set it')
    .option(...MEMBER_FLAG)
    .addHelpText('after', '\nExample: kvctl config --member 2')
    .action(
      act(async (session, _, { member }) => {
        const { data } = await session.client.get(`/controller/config${memberQuery(member)}`);
        await showConfig(session, data as ConfigBody);
      }),
    );
  program
    .command('reload')
    .description('have every controller read its configuration again: what it marks (R) counts at once')
    .option(...MEMBER_FLAG)
    .addHelpText('after', '\nExamples: kvctl reload\n          kvctl reload --member 2')
    .action(
      act(async (session, _, { member }) => {
        const answers = await askMembers<ReloadBody>(session, member, {
          method: 'POST',
          path: '/controller/reload',
        });
        await showAnswers(session, answers, reloadText);
      }),
    );
  program
    .command('log-level')
    .description('another log level of every controller, for a while; the configured one ends that')
    .addArgument(new Argument('<level>').choices(['debug', 'info', 'warn', 'error']))
    .option('--for <duration>', 'how long, 1h at most', waitDuration, 600_000)
    .option(...MEMBER_FLAG)
    .addHelpText('after', '\nExample: kvctl log-level debug --for 5m')
    .action(
      act(async (session, [level = ''], { member, for: forMs }) => {
        const body = { level, seconds: Math.ceil(Number(forMs) / 1000) };
        const answers = await askMembers<LogLevelBody>(session, member, {
          method: 'PUT',
          path: '/controller/log-level',
          body,
        });
        await showAnswers(session, answers, ({ level: now, until }) =>
          until === null ? `${now}, as configured` : `${now} until ${until}`,
        );
      }),
    );
}

async function showConfig(session: Session, data: ConfigBody): Promise<void> {
  const {
    settings,
    without_effect: ignored,
    needs_restart: waiting,
    log_level: log,
    last_reload: last,
  } = data;
  await session.output.show({
    data,
    items: settings,
    names: settings.map(({ path }) => path),
    table: () => {
      session.terminal.table(
        ['SETTING', 'VALUE', 'RELOAD', 'SET BY'],
        settings.map(({ path, value, source, reloadable }) => [
          path,
          valueText(value),
          reloadable ? 'yes' : 'no',
          source.text,
        ]),
      );
      const lines = [
        ...waiting.map((change) => `after a restart: ${changeText(change)}`),
        ...(ignored.length === 0 ? [] : [`without effect: ${ignored.join(', ')}`]),
        ...(log.until === null ? [] : [`log level: ${log.level} until ${log.until}`]),
        ...(last.succeeded ? [] : [`the last reload was refused; what counts was read at ${last.read_at}`]),
      ];
      for (const line of lines) session.terminal.print(printable(`controller ${data.member}: ${line}`));
    },
  });
}

interface Wish {
  readonly method: 'POST' | 'PUT';
  readonly path: string;
  readonly body?: object;
}

interface MemberAnswer<Body> {
  readonly id: number;
  readonly data: Body;
}

/**
 * Each member is asked by itself: nothing of this goes through the group. Where one of them fails the others have done it all the same, which is
 * told. Throws `Failure` then.
 */
async function askMembers<Body>(
  session: Session,
  member: unknown,
  { method, path, body }: Wish,
): Promise<readonly MemberAnswer<Body>[]> {
  if (member !== undefined) {
    const { data } = await session.client.send(method, `${path}${memberQuery(member)}`, body);
    return [{ id: Number(member), data: data as Body }];
  }
  const { data: peers } = await session.client.get('/raft/peers');
  const { members } = peers as {
    readonly members: readonly { readonly id: number; readonly addr: string }[];
  };
  const outcomes = await Promise.all(
    members.map(async ({ id, addr }): Promise<MemberAnswer<Body> | Failure> => {
      try {
        const { data } = await session.client.at([addr], MEMBER_MS).send(method, path, body);
        return { id, data: data as Body };
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        return new Failure(error.code, `controller ${id}: ${error.message}`, { cause: error });
      }
    }),
  );
  const failures = outcomes.flatMap((outcome) => (outcome instanceof Failure ? [outcome] : []));
  const answers = outcomes.flatMap((outcome) => (outcome instanceof Failure ? [] : [outcome]));
  if (failures.length === 0) return answers;
  if (answers.length > 0)
    session.terminal.tell(`done by controller ${answers.map(({ id }) => id).join(', ')}`);
  const texts = failures.map(({ message }) => message).join('\n');
  throw new Failure(failures[0]?.code ?? EXIT.failed, texts);
}

async function showAnswers<Body>(
  session: Session,
  answers: readonly MemberAnswer<Body>[],
  text: (body: Body) => string,
): Promise<void> {
  const all = answers.map(({ data }) => data);
  await session.output.show({
    data: all,
    items: all,
    names: answers.map(({ id }) => String(id)),
    table: () => {
      for (const { id, data } of answers)
        session.terminal.print(printable(`controller ${id}: ${text(data)}`));
    },
  });
}

/** One line. */
function reloadText({ applied, needs_restart: waiting }: ReloadBody): string {
  const parts = [
    ...(applied.length === 0 ? [] : [`counts now: ${applied.map(changeText).join(', ')}`]),
    ...(waiting.length === 0 ? [] : [`after a restart: ${waiting.map(changeText).join(', ')}`]),
  ];
  return parts.length === 0 ? 'nothing differs' : parts.join('; ');
}

function changeText({ path, from, to }: ChangeBody): string {
  return `${path} ${valueText(from)} -> ${valueText(to)}`;
}

function valueText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : value === '' ? '""' : String(value);
}

function memberQuery(member: unknown): string {
  return typeof member !== 'string' ? '' : `?member=${memberId(member)}`;
}
