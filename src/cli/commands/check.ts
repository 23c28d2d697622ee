// `check` and `placement`: what is found when a cluster is looked at on purpose, with what can be done.

import { EXIT } from '../failure.ts';
import type { Session } from '../session.ts';
import { type Block, line, printBlocks, tableUnder } from './blocks.ts';
import type { NodeBody } from '../../api/render.ts';
import { existing } from './named.ts';
import { countsCell, placeText, severityColour } from './severity.ts';
import type { Severity } from './status-body.ts';
import { clusterOf } from './places.ts';

export interface FindingBody {
  readonly kind: string;
  readonly severity: Severity;
  readonly shard: number | null;
  readonly node: string | null;
  readonly address: string | null;
  readonly text: string;
  readonly remedy: string;
}

export interface CheckBody {
  readonly is_clean: boolean;
  readonly version: number;
  readonly checked_at: string;
  readonly nodes_asked: number;
  readonly nodes_answered: number;
  readonly findings: readonly FindingBody[];
}

/** The exit code says whether all is well, for scripts. */
export async function check(session: Session): Promise<void> {
  const { data } = await existing(`cluster ${session.cluster}`, () =>
    session.client.get(session.path('/check')),
  );
  const { check: checked } = data as { readonly check: CheckBody };
  await session.output.show({
    data,
    items: checked.findings,
    names: checked.findings.map(({ kind }) => kind),
    table: () => printBlocks(session.terminal, checkBlocks(session.cluster, checked)),
  });
  if (!checked.is_clean) process.exitCode = EXIT.findings;
}

export function checkBlocks(cluster: string, checked: CheckBody): readonly Block[] {
  const {
    is_clean: isClean,
    version,
    checked_at: at,
    nodes_asked: asked,
    nodes_answered: answered,
  } = checked;
  const counts = countsCell(checked.findings);
  const found = typeof counts === 'string' ? counts : counts.text;
  return [
    line(`cluster ${cluster}, version ${version}: ${answered} of ${asked} nodes answered at ${at}`, 'bold'),
    isClean ? line(`clean, findings: ${found}`, 'green') : line(`not clean, findings: ${found}`, 'red'),
    ...checked.findings.flatMap(({ kind, severity, shard, address, text, remedy }) => [
      line(''),
      line(`${severity.padEnd(8)}  ${placeText(shard, address)}${kind}`, severityColour(severity)),
      line(`  ${text}`),
      ...(remedy === '' ? [] : [line(`  to do: ${remedy}`)]),
    ]),
  ];
}

export interface PlacementBody {
  readonly faults: readonly {
    readonly kind: string;
    readonly severity: Severity;
    readonly shards: readonly number[];
    readonly nodes: readonly string[];
    readonly detail: string;
    readonly remedy: string;
  }[];
  readonly failovers: readonly {
    readonly shard: number;
    readonly from: string;
    readonly from_zone: string;
    readonly to: string;
    readonly to_zone: string;
  }[];
}

export async function placement(session: Session, zone: string | null): Promise<void> {
  const query = zone === null ? '' : `?zone=${encodeURIComponent(zone)}`;
  const [{ data }, { shards }] = await Promise.all([
    existing(`cluster ${session.cluster}`, () => session.client.get(session.path(`/placement${query}`))),
    session.output.isTable ? clusterOf(session) : { shards: [] },
  ]);
  const { placement: body } = data as { readonly placement: PlacementBody };
  const nodes = shards.flatMap((shard) => shard.nodes);
  await session.output.show({
    data,
    items: body.faults,
    names: body.faults.map(({ kind }) => kind),
    table: () => printBlocks(session.terminal, placementBlocks(body, nodes)),
  });
}

export function placementBlocks(
  { faults, failovers }: PlacementBody,
  nodes: readonly NodeBody[],
): readonly Block[] {
  const addressOf = (id: string): string => nodes.find((node) => node.id === id)?.addr ?? id;
  const rows = failovers.map(({ shard, from, from_zone: fromZone, to, to_zone: toZone }) => [
    String(shard),
    `${addressOf(from)} (${zoneText(fromZone)})`,
    `${addressOf(to)} (${zoneText(toZone)})`,
    `kvctl failover shard ${shard} --preferred ${to}`,
  ]);
  const isWell = faults.length === 0 && failovers.length === 0;
  return [
    ...(isWell ? [line('nodes stand well, or nobody has said in which zones they are', 'green')] : []),
    ...faults.flatMap(({ kind, severity, detail, remedy }) => [
      line(`${severity.padEnd(8)}  ${kind}`, severityColour(severity)),
      line(`  ${detail}`),
      line(`  to do: ${remedy}`),
    ]),
    ...tableUnder('failovers that would mend it', ['SHARD', 'FROM', 'TO', 'COMMAND'], rows),
  ];
}

function zoneText(zone: string): string {
  return zone === '' ? 'no zone' : zone;
}
