// Names of the user's own for groups of controllers, with the namespace and cluster that are meant.

import type { Command } from 'commander';

import { type Context, type Contexts, contextsPath, readContexts, writeContexts } from '../contexts.ts';
import { EXIT, Failure, usage } from '../failure.ts';
import { type GlobalFlags, Session } from '../session.ts';

export function registerContexts(program: Command): void {
  const context = program
    .command('context')
    .description('groups of controllers by a name of yours, kept in ~/.config/kvctl/config.yaml');
  context
    .command('list')
    .description('all of them; * is the one that counts where none is named')
    .addHelpText('after', '\nExample: kvctl context list')
    .action(local(({ session, known }) => showContexts(session, known, Object.keys(known.contexts))));
  context
    .command('show [name]')
    .description('one of them, or the one that counts')
    .addHelpText('after', '\nExample: kvctl context show')
    .action(
      local(({ session, known, args }) => {
        const name = args[0] ?? known.current;
        if (name === null) throw new Failure(EXIT.missing, 'none counts: kvctl context use NAME');
        contextNamed(known, name);
        return showContexts(session, known, [name]);
      }),
    );
  context
    .command('use <name>')
    .description('the one that counts from now on where none is named')
    .addHelpText('after', '\nExample: kvctl context use production')
    .action(
      local(async ({ session, known, path, args: [name = ''] }) => {
        contextNamed(known, name);
        await writeContexts(path, { ...known, current: name });
        await session.output.done(`${name} counts from now on`, { current: name }, [name]);
      }),
    );
  context
    .command('set <name>')
    .description('make one, or change it: with -H, -n and -c; what is not named stays')
    .addHelpText(
      'after',
      '\nExample: kvctl context set production -H 10.0.0.1:9379,10.0.0.2:9379 -n shop -c carts',
    )
    .action(
      local(async ({ session, known, path, flags, args: [name = ''] }) => {
        const changed = changedContext(known.contexts[name], flags, session.client.hosts);
        // The first one counts: nobody makes it for anything else.
        const current = known.current ?? (Object.keys(known.contexts).length === 0 ? name : null);
        await writeContexts(path, { current, contexts: { ...known.contexts, [name]: changed } });
        await session.output.done(`context ${name} was stored`, changed, [name]);
      }),
    );
  context
    .command('delete <name>')
    .description('forget one')
    .addHelpText('after', '\nExample: kvctl context delete staging')
    .action(
      local(async ({ session, known, path, args: [name = ''] }) => {
        contextNamed(known, name);
        const { [name]: _, ...contexts } = known.contexts;
        await writeContexts(path, { current: known.current === name ? null : known.current, contexts });
        await session.output.done(`context ${name} is gone`, { deleted: name }, [name]);
      }),
    );
}

interface Local {
  readonly session: Session;
  readonly known: Contexts;
  readonly path: string;
  readonly flags: GlobalFlags;
  readonly args: readonly string[];
}

/** An action on the file alone: a context that does not exist is no reason to fail before it. */
function local(perform: (local: Local) => Promise<void>): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    const { context: _, ...flags } = command.optsWithGlobals<GlobalFlags>();
    const { KVCTL_CONTEXT: __, ...env } = process.env;
    const path = contextsPath(env);
    const known = await readContexts(path);
    const session = await Session.open(flags, env);
    await perform({ session, known, path, flags, args: command.args });
  };
}

function contextNamed({ contexts }: Contexts, name: string): Context {
  const context = contexts[name];
  if (context !== undefined) return context;
  throw new Failure(
    EXIT.missing,
    `there is no context ${name}; there are ${Object.keys(contexts).join(', ') || 'none'}`,
  );
}

/** `hosts`: what is meant by the flags, where they name any. */
export function changedContext(
  before: Context | undefined,
  { host, namespace, cluster }: GlobalFlags,
  hosts: readonly string[],
): Context {
  const named = host === undefined ? before?.hosts : hosts;
  if (named === undefined) throw usage('which controllers? Say -H HOST:PORT');
  return {
    ...before,
    hosts: named,
    ...(namespace === undefined ? {} : { namespace }),
    ...(cluster === undefined ? {} : { cluster }),
  };
}

async function showContexts(session: Session, known: Contexts, names: readonly string[]): Promise<void> {
  const shown = names.map((name) => ({
    name,
    is_current: name === known.current,
    ...contextNamed(known, name),
  }));
  await session.output.show({
    data: { contexts: shown },
    items: shown,
    names,
    table: () =>
      session.terminal.table(
        ['', 'NAME', 'CONTROLLERS', 'NAMESPACE', 'CLUSTER'],
        shown.map(({ name, is_current: isCurrent, hosts, namespace = '', cluster = '' }) => [
          isCurrent ? '*' : '',
          name,
          hosts.join(','),
          namespace,
          cluster,
        ]),
      ),
  });
}
