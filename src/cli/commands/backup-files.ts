// Backups as files: what one holds, and whether it is any good.

import { createReadStream, statSync } from 'node:fs';

import { readBackupTask } from '../../backup/read-backup.ts';
import { type BackupReport, findingLines } from '../../backup/report.ts';
import { printable } from '../../base/printable.ts';
import { nodeFileSystem } from '../../raft/wal/node-file-system.ts';
import { taskPromise } from '../../raft/wal/task.ts';
import { EXIT, Failure } from '../failure.ts';
import type { Session } from '../session.ts';
import { sizeText } from './backup.ts';
import { type Block, fields, line, printBlocks, tableUnder } from './blocks.ts';

/** Shows what `file` holds, also where records of it contradict each other. Throws `Failure` where it is damaged. */
export async function inspect(session: Session, file: string): Promise<void> {
  const report = await readReport(file);
  await session.output.show({
    data: report,
    names: [file],
    table: () => printBlocks(session.terminal, reportBlocks(file, report)),
  });
}

/** Throws `Failure`, with what is wrong and where, unless `file` could be restored. */
export async function verify(session: Session, file: string, isByServer: boolean): Promise<void> {
  const report = isByServer ? await judgedByServer(session, file) : await readReport(file);
  const lines = findingLines(report);
  if (lines.length > 0) throw new Failure(EXIT.failed, [`${file} contradicts itself:`, ...lines].join('\n'));
  const { clusters, index } = report.backup;
  const sentence = `${file} is good: entry ${index}, clusters: ${clusters}; every byte and every record was read`;
  await session.output.done(printable(sentence), report, [file]);
}

async function judgedByServer(session: Session, file: string): Promise<BackupReport> {
  const { data } = await session.client.upload('/controller/verify-backup', {
    file,
    bytes: sizeOf(file),
    open: () => createReadStream(file),
  });
  return data as BackupReport;
}

async function readReport(file: string): Promise<BackupReport> {
  sizeOf(file);
  const read = await taskPromise(readBackupTask(nodeFileSystem, file)).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.failed, `${file} cannot be read: ${why}`, { cause: error });
  });
  if (read.ok) return read.value;
  throw new Failure(EXIT.failed, `${file} is not to be used: ${read.error.reason}`);
}

/** Bytes. Throws `Failure` for what is no file. */
function sizeOf(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new Failure(EXIT.missing, `there is no file ${file}`);
  if (!found.isFile()) throw new Failure(EXIT.usage, `${file} is no file`);
  return found.size;
}

function reportBlocks(file: string, report: BackupReport): readonly Block[] {
  const { backup, findings, finding_count: count } = report;
  const rest = count - findings.length;
  return [
    line(file, 'bold'),
    fields(
      ['format', String(backup.format)],
      ['size', sizeText(backup.bytes)],
      ['entry', `${backup.index} of term ${backup.term}`],
      ['feature level', backup.feature_level === null ? 'not to be read' : String(backup.feature_level)],
      [
        'written',
        backup.newest_event_at === null
          ? 'not known'
          : `not before ${backup.newest_event_at}, its newest event`,
      ],
      ['namespaces', String(backup.namespaces)],
      ['clusters', `${backup.clusters} with ${backup.shards} shards and ${backup.nodes} nodes`],
      ['open tasks', String(backup.open_tasks)],
      ['events', String(backup.events)],
    ),
    ...tableUnder(
      'members of the group',
      ['ID', 'ADDRESS', 'ROLE'],
      backup.members.map(({ id, addr, role }) => [String(id), addr, role]),
    ),
    ...tableUnder(
      'records that contradict others, or cannot be read',
      ['KEY', 'WHAT'],
      findings.map(({ key, text }) => [key, text]),
    ),
    ...(rest > 0 ? [line(`and ${rest} more`)] : []),
  ];
}
