// How grave something is: in which order it is told, and in which colour.

import type { Cell, Colour } from '../terminal.ts';
import { type Block, line } from './blocks.ts';
import { type ProblemBody, SEVERITIES, type Severity } from './status-body.ts';

const COLOURS: Readonly<Record<string, Colour>> = {
  critical: 'red',
  error: 'red',
  warning: 'yellow',
  info: 'dim',
} satisfies Record<Severity, Colour>;

/** Of one kind of problem, where not all is wanted. */
const PLACES_MAX = 5;
/** The longest of `SEVERITIES`, and two columns between. */
const SEVERITY_WIDTH = 10;

/** A severity this release does not know stands out too. */
export function severityColour(severity: string): Colour {
  return COLOURS[severity] ?? 'yellow';
}

/** `2 critical, 1 warning`; `none` where there are none. */
export function countsCell(problems: readonly { readonly severity: Severity }[]): Cell {
  const counts = SEVERITIES.map((severity) => ({
    severity,
    count: problems.filter((problem) => problem.severity === severity).length,
  })).filter(({ count }) => count > 0);
  const [gravest] = counts;
  if (gravest === undefined) return 'none';
  const text = counts.map(({ severity, count }) => `${count} ${severity}`).join(', ');
  return { text, colour: severityColour(gravest.severity) };
}

/** The gravest first; those of one kind together, since one remedy is for all of them. */
export function problemBlocks(problems: readonly ProblemBody[], isWide: boolean): readonly Block[] {
  const ordered = SEVERITIES.flatMap((severity) => problems.filter((each) => each.severity === severity));
  const byKind = Map.groupBy(ordered, ({ kind }) => kind);
  return [...byKind.values()].flatMap((alike) => kindBlocks(alike, isWide));
}

function kindBlocks(alike: readonly ProblemBody[], isWide: boolean): readonly Block[] {
  const [first] = alike;
  if (first === undefined) return [];
  const { severity, title, kind, remedy } = first;
  const shown = isWide ? alike : alike.slice(0, PLACES_MAX);
  const hidden = alike.length - shown.length;
  return [
    line(`${severity.padEnd(SEVERITY_WIDTH)}${title} (${kind})`, severityColour(severity)),
    ...shown.map((problem) => line(`  ${placeText(problem.shard, problem.addr)}${problem.detail}`)),
    ...(hidden === 0 ? [] : [line(`  and ${hidden} more (-o wide shows all)`)]),
    line(`  to do: ${remedy}`),
  ];
}

/** `shard 0, 10.0.0.1:6666: `, as far as it is known. */
export function placeText(shard: number | null, address: string | null): string {
  const parts = [...(shard === null ? [] : [`shard ${shard}`]), ...(address === null ? [] : [address])];
  return parts.length === 0 ? '' : `${parts.join(', ')}: `;
}
