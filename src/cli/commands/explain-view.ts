// Why a master is replaced, or not (yet), for people.

import type { Cell } from '../terminal.ts';
import { type Block, line, tableUnder } from './blocks.ts';
import { shortageText } from './status-view.ts';
import type { ExplanationBody, WitnessBody } from './status-body.ts';
import { spanText } from './span-text.ts';

type GateBody = ExplanationBody['gates'][number];

const GATE_HEAD = ['GATE', 'VERDICT', 'LEFT', 'EVIDENCE'];
const CANDIDATE_HEAD = ['CANDIDATE', 'ID', 'VERDICT', 'BEHIND', 'PRIORITY', 'ZONE', 'LINK', 'REASON'];
const WITNESS_HEAD = ['CONTROLLER', 'SAW', 'AGE'];
const SHORT_ID = 8;

/** `addressOf` knows the nodes of the cluster; an id stands for one that it does not know. */
export function explanationBlocks(
  explained: ExplanationBody,
  { addressOf, isWide }: { readonly addressOf: (id: string) => string; readonly isWide: boolean },
): readonly Block[] {
  const { shard, master, verdict, why, missed_since: missedSince, gates, copies } = explained;
  const head = `shard ${shard}: ${verdict}, ${why}`;
  return [
    line(head, verdict === 'healthy' ? 'green' : verdict === 'blocked' ? 'red' : 'yellow'),
    line(`master: ${addressOf(master)}${missedSince === null ? '' : `, missed since ${missedSince}`}`),
    line(`next: ${nextText(explained, addressOf)}`, 'bold'),
    ...tableUnder(
      'gates of an automatic failover',
      GATE_HEAD,
      gates.map((gate) => gateRow(gate, verdict === 'healthy')),
    ),
    ...gates.flatMap(({ gate, remedy }) => (remedy === null ? [] : [line(`to do (${gate}): ${remedy}`)])),
    ...candidateBlocks(explained, isWide),
    ...witnessBlocks(explained.witnesses),
    ...(copies === null ? [] : [line(''), line(shortageText(copies), 'yellow')]),
  ];
}

/** What happens if nothing changes. */
export function nextText(
  { verdict, next, gates }: ExplanationBody,
  addressOf: (id: string) => string,
): string {
  if (next !== null) return `${addressOf(next.node)} takes over with the next decision`;
  const closed = gates.find(({ verdict: passed }) => passed === 'wait' || passed === 'block');
  if (verdict === 'healthy' || closed === undefined) return 'nothing, there is nothing to replace';
  if (closed.verdict === 'block')
    return `nothing by itself, ${closed.gate} stays closed${closed.remedy === null ? '' : ' until somebody does what is to do'}`;
  const left = closed.left_ms === null ? 'nobody knows for how long' : `for ${spanText(closed.left_ms)} more`;
  return `waits for ${closed.gate}, ${left}`;
}

/** Where there is nothing to replace a closed gate is as it should be. */
function gateRow(
  { gate, verdict, left_ms: leftMs, evidence }: GateBody,
  isHealthy: boolean,
): readonly Cell[] {
  return [
    gate,
    isHealthy && verdict === 'block' ? 'closed' : gateCell(verdict),
    leftMs === null ? '-' : spanText(leftMs),
    evidence,
  ];
}

function gateCell(verdict: string): Cell {
  switch (verdict) {
    case 'pass':
      return { text: 'open', colour: 'green' };
    case 'wait':
      return { text: 'waits', colour: 'yellow' };
    case 'block':
      return { text: 'closed', colour: 'red' };
    case 'not_reached':
      return { text: 'not reached', colour: 'dim' };
    default:
      return verdict;
  }
}

function candidateBlocks({ candidates }: ExplanationBody, isWide: boolean): readonly Block[] {
  if (candidates.length === 0)
    return [line(''), line('candidates: none, the shard has no replica', 'yellow')];
  const rows = candidates.map(
    ({ addr, node, verdict, behind, priority, zone, link_fault: fault, reason }) => [
      addr,
      isWide ? node : node.slice(0, SHORT_ID),
      candidateCell(verdict),
      behind === null ? '?' : String(behind),
      String(priority),
      zone === '' ? '-' : zone,
      fault ?? 'up',
      reason,
    ],
  );
  return tableUnder('candidates', CANDIDATE_HEAD, rows);
}

function candidateCell(verdict: string): Cell {
  if (verdict === 'eligible') return { text: verdict, colour: 'green' };
  return { text: verdict, colour: verdict === 'wait' ? 'yellow' : 'red' };
}

export function witnessBlocks(witnesses: readonly WitnessBody[]): readonly Block[] {
  const rows = witnesses.map(({ by, saw, age_ms: ageMs }) => [String(by), saw, spanText(ageMs)]);
  return tableUnder('what the controllers saw of it', WITNESS_HEAD, rows);
}
