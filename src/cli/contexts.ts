// Named groups of controllers, kept in a file of the user: hosts, and the namespace and cluster that are meant where none is named.

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { EXIT, Failure } from './failure.ts';

export interface Context {
  readonly hosts: readonly string[];
  readonly namespace?: string;
  readonly cluster?: string;
}

export interface Contexts {
  /** The one that counts where none is named; null when none does. */
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, Context>>;
}

const NO_CONTEXTS: Contexts = { current: null, contexts: {} };

export function contextsPath(env: NodeJS.ProcessEnv): string {
  const home = env['XDG_CONFIG_HOME'] ?? '';
  return join(home === '' ? join(homedir(), '.config') : home, 'kvctl', 'config.yaml');
}

/** Throws `Failure` where the file cannot be used: somebody else could have put hosts into it. */
export async function readContexts(path: string): Promise<Contexts> {
  if (!existsSync(path)) return NO_CONTEXTS;
  if ((statSync(path).mode & 0o077) !== 0)
    throw new Failure(EXIT.usage, `${path} can be read by others: chmod 600 ${path}`);
  const { parse } = await import('yaml');
  const { z } = await import('zod');
  const schema = z.strictObject({
    current: z.string().nullable().default(null),
    contexts: z.record(
      z.string(),
      z.strictObject({
        hosts: z.array(z.string()).min(1),
        namespace: z.string().exactOptional(),
        cluster: z.string().exactOptional(),
      }),
    ),
  });
  let tree: unknown;
  try {
    tree = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Failure(EXIT.usage, `${path} is no YAML: ${error instanceof Error ? error.message : ''}`);
  }
  const checked = schema.safeParse(tree);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new Failure(
    EXIT.usage,
    `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'cannot be read'}`,
  );
}

/** Written whole or not at all, for the user alone. */
export async function writeContexts(path: string, contexts: Contexts): Promise<void> {
  const { stringify } = await import('yaml');
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}`;
  writeFileSync(beside, stringify(contexts), { mode: 0o600 });
  chmodSync(beside, 0o600);
  renameSync(beside, path);
}
