// Commands that look and change nothing. What each needs is loaded when it is run.

import { type Command, InvalidArgumentError, Option } from 'commander';

import type { GlobalFlags } from '../session.ts';
import type { Act } from './act.ts';
import { durationMs } from '../durations.ts';

const WATCH_DEFAULT_MS = 2000;
const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_MAX = 3_600_000;

export function registerLooks(program: Command, act: Act): void {
  registerStatus(program, act);
  registerDescribe(
    program.command('describe').description('everything known of a cluster, shard or node'),
    act,
  );
  registerExplain(program, act);
  registerEvents(program, act);
  registerCheck(program, act);
  registerWait(program.command('wait').description('wait until something is as it should be'), act);
}

function registerStatus(program: Command, act: Act): void {
  program
    .command('status [cluster]')
    .description(
      'what is wrong with a cluster, and how its nodes are; without a name a line for each cluster',
    )
    .option('-A, --all', 'all clusters of all namespaces, whatever the context says')
    .option('-w, --watch [duration]', 'look again and again, every 2s unless said otherwise', interval)
    .addHelpText(
      'after',
      '\nThe exit code is 0 also when something is wrong: kvctl check is for scripts.\n' +
        '\nExample: kvctl status carts -n shop\n         kvctl status --all\n         kvctl status carts -n shop --watch 1s',
    )
    .action(
      act(async (session, [cluster], { all, watch }) => {
        const { status } = await import('./status.ts');
        await status(session, {
          cluster: cluster ?? null,
          isAll: all === true,
          watchMs: typeof watch === 'number' ? watch : watch === true ? WATCH_DEFAULT_MS : null,
        });
      }),
    );
}

function registerDescribe(describe: Command, act: Act): void {
  describe.addHelpText('after', '\nExample: kvctl describe shard 0 -n shop -c carts');
  describe
    .command('cluster [name]')
    .description('its health, settings, decisions, migrations and events')
    .addHelpText('after', '\nExample: kvctl describe cluster carts -n shop')
    .action(
      act(async (session, [name]) => {
        const { describeCluster } = await import('./describe.ts');
        await describeCluster(session, name);
      }),
    );
  describe
    .command('shard [index]')
    .description('its slots, nodes, problems and events, and why its master is replaced or not')
    .addHelpText('after', '\nExample: kvctl describe shard 0 -n shop -c carts')
    .action(
      act(async (session, [index]) => {
        const { describeShard } = await import('./describe.ts');
        await describeShard(session, index);
      }),
    );
  describe
    .command('node <node>')
    .description('by its id, the beginning of that, or its address')
    .addHelpText('after', '\nExample: kvctl describe node 10.0.1.1:6666 -n shop -c carts')
    .action(
      act(async (session, [node = '']) => {
        const { describeNode } = await import('./describe.ts');
        await describeNode(session, node);
      }),
    );
}

function registerExplain(program: Command, act: Act): void {
  program
    .command('explain [words...]')
    .usage('[options] [shard] <index>')
    .description('why the master of a shard is replaced, or not (yet)')
    .addHelpText('after', '\nExample: kvctl explain shard 0 -n shop -c carts')
    .action(
      act(async (session, words) => {
        const { explain } = await import('./explain.ts');
        await explain(session, words);
      }),
    );
}

function registerEvents(program: Command, act: Act): void {
  program
    .command('events')
    .description(
      'what has happened to a cluster, or without -c to all of them and to the group; oldest first',
    )
    .option('-f, --follow', 'tell what happens from now on, too, until Ctrl-C')
    .option('--since <when>', 'no earlier ones: 10m, 2d, or a time such as 2026-01-31T12:00:00Z')
    .option('--kind <kinds>', 'one or more, with commas between: failover,switchover')
    .addOption(new Option('--severity <least>', 'that and above').choices(['info', 'warning', 'error']))
    .option('--limit <count>', 'the newest, so many at most')
    .addHelpText(
      'after',
      '\nExample: kvctl events -n shop -c carts --since 1h --severity warning\n         kvctl events -f',
    )
    .action(
      act(async (session, _, flags) => {
        const { events } = await import('./events.ts');
        await events(session, flags);
      }),
    );
}

function registerCheck(program: Command, act: Act): void {
  program
    .command('check')
    .description(
      'ask every node now and compare it with what is stored; exit code 8 where something is found',
    )
    .addHelpText('after', '\nExample: kvctl check -n shop -c carts')
    .action(
      act(async (session) => {
        const { check } = await import('./check.ts');
        await check(session);
      }),
    );
  program
    .command('placement')
    .description('shards and zones that stand badly, and the failovers that would mend it')
    .option('--zone <zone>', 'plan masters into this zone')
    .addHelpText('after', '\nExample: kvctl placement -n shop -c carts --zone rack-1')
    .action(
      act(async (session, _, { zone }) => {
        const { placement } = await import('./check.ts');
        await placement(session, typeof zone === 'string' ? zone : null);
      }),
    );
}

function registerWait(wait: Command, act: Act): void {
  wait.addHelpText('after', '\nExample: kvctl wait cluster carts -n shop --for converged --timeout 2m');
  wait
    .command('cluster [name]')
    .description(
      'wait until it is as it should be: 0 when it is, 7 when the time is over, 1 when a task has failed',
    )
    .requiredOption(
      '--for <goal>',
      'converged, healthy (no problem above info), master=ID_OR_ADDRESS or task=ID',
    )
    .addHelpText(
      'after',
      '\nWaits for 10 minutes unless --timeout says otherwise. Ctrl-C stops the waiting alone.\n' +
        '\nExample: kvctl wait cluster carts -n shop --for task=3 --timeout 1h',
    )
    .action(async (...given: unknown[]) => {
      // A global flag, which means all of the time here.
      const { timeout } = (given.at(-1) as Command).optsWithGlobals<GlobalFlags>();
      const perform = act(async (session, [name], flags) => {
        const { wait: untilReached } = await import('./wait.ts');
        const cluster = name ?? session.cluster;
        await untilReached(session, { cluster, goal: String(flags['for']), timeoutMs: timeout ?? null });
      });
      await perform(...given);
    });
}

/** Milliseconds between two looks. */
function interval(text: string): number {
  const ms = durationMs(text);
  if (ms === null || ms < INTERVAL_MS_MIN || ms > INTERVAL_MS_MAX)
    throw new InvalidArgumentError(
      'expected a duration from 100ms to 1h; the name of the cluster comes before it',
    );
  return ms;
}
