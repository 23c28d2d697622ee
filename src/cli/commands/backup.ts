// The whole state of the group as a file, which is there whole or not at all.

import { existsSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';

import type { Command } from 'commander';

import { printable } from '../../base/printable.ts';
import { codeOfStatus, EXIT, Failure } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Act } from './act.ts';
import { errorText } from './api-call.ts';

/** Between two lines that say how much has come. */
const LINE_MS = 1000;

export function registerBackup(program: Command, act: Act): void {
  const backup = program
    .command('backup')
    .description('for the day when a majority of the controllers is lost')
    .addHelpText('after', '\nExample: kvctl backup save monday.backup && kvctl backup verify monday.backup');
  backup
    .command('save <file>')
    .description('the whole state of the group; passwords of nodes are in it')
    .addHelpText('after', '\nExample: kvctl backup save kvrocks-controller.backup --timeout 5m')
    .action(
      act(async (session, [file = '']) => {
        if (existsSync(file))
          await session.terminal.confirm(`${file} is there already and is replaced`, file);
        const bytes = await save(session, file);
        await session.output.done(printable(`${file}: ${sizeText(bytes)}`), { file, bytes }, [file]);
      }),
    );
  backup
    .command('inspect <file>')
    .description('what a backup holds; no controller is asked, and no password is shown')
    .addHelpText('after', '\nExample: kvctl backup inspect monday.backup -o json')
    .action(
      act(async (session, [file = '']) => {
        const { inspect } = await import('./backup-files.ts');
        await inspect(session, file);
      }),
    );
  backup
    .command('verify <file>')
    .description(
      'whether a backup could be restored: every byte, every record, and that none contradicts another',
    )
    .option('--server', 'let a controller judge, by the release that it runs (-H); 64 MiB at most')
    .addHelpText(
      'after',
      '\nNo controller is asked without --server. The exit code is 0 for a good backup, 1 for one that is damaged or contradicts itself.\n' +
        '\nExample: kvctl backup verify monday.backup\n         kvctl backup verify monday.backup --server -H 10.0.0.1:9379',
    )
    .action(
      act(async (session, [file = ''], { server }) => {
        const { verify } = await import('./backup-files.ts');
        await verify(session, file, server === true);
      }),
    );
}

/** Beside its place until the last byte is on disk. */
async function save(session: Session, file: string): Promise<number> {
  const wasThere = existsSync(file);
  const { response, host } = await session.client.sendRaw('GET', '/api/v1/raft/snapshot');
  if (response.status !== 200 || response.body === null)
    throw new Failure(
      codeOfStatus(response.status),
      `${host}: ${errorText(await response.text(), response.status)}`,
    );
  const part = `${file}.part`;
  try {
    const bytes = await writeParts(session, part, response.body);
    if (!wasThere && existsSync(file))
      throw new Failure(EXIT.conflict, `${file} has come into being meanwhile: it stays as it is`);
    renameSync(part, file);
    return bytes;
  } catch (error) {
    rmSync(part, { force: true });
    // What nobody reads would keep the process waiting for the rest of it.
    await response.body.cancel().catch(() => undefined);
    if (error instanceof Failure) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.failed, `${file} was not written: ${why} (--timeout says how long it may take)`, {
      cause: error,
    });
  }
}

async function writeParts(
  session: Session,
  part: string,
  content: ReadableStream<Uint8Array>,
): Promise<number> {
  rmSync(part, { force: true });
  const handle = await open(part, 'wx', 0o600);
  try {
    let bytes = 0;
    let toldMs = performance.now();
    for await (const chunk of content) {
      await handle.writeFile(chunk);
      bytes += chunk.length;
      if (performance.now() - toldMs < LINE_MS) continue;
      toldMs = performance.now();
      session.terminal.tell(`${sizeText(bytes)} so far`);
    }
    await handle.sync();
    return bytes;
  } finally {
    await handle.close();
  }
}

/** `12.3 MiB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const isLarge = bytes >= 1024 * 1024;
  return `${(bytes / (isLarge ? 1024 * 1024 : 1024)).toFixed(1)} ${isLarge ? 'MiB' : 'KiB'}`;
}
