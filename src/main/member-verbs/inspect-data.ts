// `data inspect`: data directories side by side, for people or as JSON.

import { printable } from '../../base/printable.ts';
import {
  compareDirectories,
  type Comparison,
  type DirectoryReport,
  isWhole,
} from '../../server/rescue/compare.ts';

/** Resolves with the exit code: 0 when all directories can be read and are of one group. */
export async function inspectData(directories: readonly string[], isJson: boolean): Promise<0 | 1> {
  const comparison = await compareDirectories(directories);
  const lines = isJson ? [JSON.stringify(comparison, null, 2)] : comparisonLines(comparison).map(printable);
  process.stdout.write(`${lines.join('\n')}\n`);
  return comparison.highest !== null && comparison.directories.every(isWhole) ? 0 : 1;
}

const HEAD = ['MEMBER', 'GROUP', 'TERM', 'LAST ENTRY', 'COMMITTED', 'SNAPSHOT', 'CLUSTERS', 'DIRECTORY'];

function comparisonLines({ directories, highest }: Comparison): readonly string[] {
  const whole = directories.filter((report) => isWhole(report));
  return [
    ...(whole.length === 0 ? [] : tableLines([HEAD, ...whole.map(row)])),
    ...directories.flatMap((report) =>
      isWhole(report) ? [] : [`${report.directory}: not to be used: ${report.problem}`],
    ),
    '',
    ...adviceLines(whole, highest),
  ];
}

function row(report: DirectoryReport): readonly string[] {
  const { member, group, term, last, committed, snapshot, clusters, directory } = report;
  return [
    String(member),
    group.slice(0, 8),
    String(term),
    `${last.index} of term ${last.term}`,
    committed === last.index ? 'all' : `to ${committed} known`,
    snapshot === null ? 'none' : String(snapshot),
    String(clusters),
    directory,
  ];
}

function adviceLines(whole: readonly DirectoryReport[], highest: string | null): readonly string[] {
  const best = whole.find(({ directory }) => directory === highest);
  if (best === undefined)
    return [
      whole.length === 0 ? 'none of them can be used' : 'they are of several groups: compare those of one',
    ];
  const { directory, member, members } = best;
  const isMajority = whole.length > members.length / 2;
  return [
    `highest: member ${member} in ${directory}`,
    isMajority
      ? 'A majority of the members is here: start these members instead, if their data directories are where they belong.'
      : `Only where a majority of members ${members.join(', ')} is lost for good, on the machine of member ${member}, with its file:`,
    ...(isMajority ? [] : ['  kvrocks-controller -c FILE recover --force-new-group']),
  ];
}

function tableLines(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 2))
      .join('')
      .trimEnd(),
  );
}
