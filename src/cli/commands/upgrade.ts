// The upgrade of the group of controllers: how far it is, and the step from which there is no way back.

import type { Command } from 'commander';

import { printable } from '../../base/printable.ts';
import type { Client } from '../client.ts';
import { EXIT, Failure, usage } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Act } from './act.ts';
import { type Block, fields, heading, line, printBlocks, table } from './blocks.ts';

const PATH = '/controller/upgrade';
/** For one member, which asks all others meanwhile, milliseconds. */
const MEMBER_MS = 5000;

export function registerUpgrade(program: Command, act: Act): void {
  const upgrade = program.command('upgrade').description('controllers of a new release, and the way back');
  upgrade
    .command('status')
    .description('what each controller runs, what holds the group back, what comes next')
    .addHelpText('after', '\nExample: kvctl upgrade status -H 10.0.0.1:9379,10.0.0.2:9379')
    .action(
      act(async (session) => {
        const { upgrade: seen } = await whoKnows(session);
        await session.output.show({
          data: { upgrade: seen },
          items: seen.members,
          names: [String(seen.level)],
          table: () => printBlocks(session.terminal, upgradeBlocks(seen)),
        });
      }),
    );
  upgrade
    .command('finalize')
    .description('use what is new, once every controller supports it; no earlier release starts afterwards')
    .option('--level <level>', 'not further than this one')
    .option('--dry-run', 'only say whether it can be done')
    .addHelpText(
      'after',
      '\nExamples: kvctl upgrade finalize --dry-run\n          kvctl upgrade finalize --yes',
    )
    .action(
      act(async (session, _, { level, dryRun }) => {
        const body = typeof level === 'string' ? { level: levelOf(level) } : {};
        await finalize(session, { body, isDryRun: dryRun === true });
      }),
    );
}

export interface UpgradeBody {
  readonly release: string;
  readonly level: number;
  readonly highest: number;
  readonly members: readonly {
    readonly id: number;
    readonly addr: string;
    readonly release: string | null;
    readonly level: number | null;
    readonly reached: boolean;
    readonly error: string | null;
  }[];
  readonly held_by: string | null;
  readonly next: string;
  readonly off: readonly { readonly level: number; readonly brings: string }[];
  readonly way_back: string;
}

interface FinalizedBody {
  readonly from: number;
  readonly to: number;
}

/** For people. */
export function upgradeBlocks({
  level,
  members,
  held_by,
  next,
  off,
  way_back,
}: UpgradeBody): readonly Block[] {
  return [
    line(`the group works at feature level ${level}`),
    ...heading('controllers'),
    table(
      ['ID', 'ADDRESS', 'RELEASE', 'SUPPORTS', 'REACHED'],
      members.map(({ id, addr, release, level: supported, reached, error }) => [
        String(id),
        addr,
        release ?? (reached ? 'an earlier one' : '?'),
        supported === null ? '?' : `level ${supported}`,
        reached ? 'yes' : { text: `no: ${error ?? ''}`, colour: 'red' },
      ]),
    ),
    line(''),
    fields(
      ...(held_by === null ? [] : [['held by', { text: held_by, colour: 'yellow' }] as const]),
      ['next', next],
      ...off.map(({ level: from, brings }) => [`from level ${from} on`, brings] as const),
      ['way back', way_back],
    ),
  ];
}

async function finalize(
  session: Session,
  { body, isDryRun }: { readonly body: object; readonly isDryRun: boolean },
): Promise<void> {
  const { client } = await whoKnows(session);
  const planned = await client.send('POST', `${PATH}/finalize`, { ...body, dry_run: true });
  const { from, to } = planned.data as FinalizedBody;
  const there = `the group works at feature level ${to} already`;
  if (isDryRun) {
    const sentence = from === to ? there : `the group would rise from feature level ${from} to ${to}`;
    return session.output.done(sentence, planned.data, [String(to)]);
  }
  if (from !== to)
    await session.terminal.confirm(
      `the group is to work at feature level ${to}: releases that support less do not start any more`,
      String(to),
    );
  // The level that was confirmed, whatever has been started meanwhile.
  const { data } = await client.send('POST', `${PATH}/finalize`, { level: to });
  const sentence = from === to ? there : `the group works at feature level ${to}, before at ${from}`;
  await session.output.done(sentence, data, [String(to)]);
}

/** What a member of a release that knows of upgrades tells, and the way to that member: the hosts may be of an earlier one. */
async function whoKnows(
  session: Session,
): Promise<{ readonly client: Client; readonly upgrade: UpgradeBody }> {
  const first = await toldBy(session.client);
  if (first !== null) return { client: session.client.at([first.host], MEMBER_MS), upgrade: first.upgrade };
  const { data } = await session.client.get('/raft/peers');
  const { peers } = data as { peers: Readonly<Record<string, string>> };
  for (const address of Object.values(peers)) {
    const client = session.client.at([address], MEMBER_MS);
    const told = await toldBy(client).catch((error: unknown) => {
      if (error instanceof Failure && error.code === EXIT.unreachable) return null;
      throw error;
    });
    if (told !== null) return { client, upgrade: told.upgrade };
  }
  throw new Failure(
    EXIT.missing,
    'no controller that answers knows of upgrades: all of them run an earlier release',
  );
}

/** Null of an earlier release. */
async function toldBy(
  client: Client,
): Promise<{ readonly host: string; readonly upgrade: UpgradeBody } | null> {
  try {
    const { host, data } = await client.get(PATH);
    return { host, upgrade: (data as { upgrade: UpgradeBody }).upgrade };
  } catch (error) {
    if (error instanceof Failure && error.code === EXIT.missing) return null;
    throw error;
  }
}

function levelOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw usage(`${printable(JSON.stringify(text))} is no feature level, such as 6`);
  return Number(text);
}
