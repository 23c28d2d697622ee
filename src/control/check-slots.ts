// Who serves which slots by the word of the nodes, as against the store: nobody, two, or one to whom they came by a move that nobody recorded.

import { migrationsOf } from '../topology/cluster.ts';
import {
  differenceSlots,
  intersectionSlots,
  NO_SLOTS,
  printSlotSet,
  slotRange,
  slotSetOf,
  unionSlots,
} from '../topology/slot.ts';
import { type NodeId, SLOT_COUNT, type SlotRange, type SlotSet } from '../topology/types.ts';
import { type DoubtfulImport, type Examination, importsInDoubt, saidOf } from './examination.ts';
import { type Finding, findingAt, findingOf, syncCall } from './finding.ts';
import { unrecordedHandOvers } from './hand-over.ts';
import { isFresh } from './sight.ts';
import { masterView, nodeName, type NodeView, type Situation } from './situation.ts';

/** Characters of a list of slots that are told. */
const SLOTS_TEXT_MAX = 200;

/** Slots that a node says it serves. */
interface Claim {
  readonly view: NodeView;
  readonly slots: SlotSet;
}

/** `underWay`: nodes whose word will change by itself, which prove nothing; `unowned`: slots that no shard owns. */
export function slotFindings(
  examination: Examination,
  { underWay, unowned }: { readonly underWay: ReadonlyMap<NodeId, string>; readonly unowned: SlotSet },
): readonly Finding[] {
  const { situation, askedAtMs } = examination;
  const moving = movingSlots(situation);
  const doubtful = importsInDoubt(situation, askedAtMs).filter(
    ({ view, slots }) =>
      examination.imports.get(view.node.id)?.kind === 'served' && !isExplained(situation, view, slots),
  );
  const claims = [...situation.views.values()].flatMap((view) => {
    const slots = claimOf(examination, view);
    return slots === null ? [] : [{ view, slots: differenceSlots(slots, unowned) }];
  });
  const handedOver = handedOverSlots(situation);
  return [
    ...unserved(
      { situation, claims, underWay },
      unionSlots(unionSlots(moving, handedOver), slotsOf(doubtful)),
    ),
    ...claimedTwice({ situation, claims, underWay }, moving),
    ...doubtful.map((found) => strayImport(situation, found, underWay)),
    ...unknownImports(examination),
  ];
}

interface Claims {
  readonly situation: Situation;
  readonly claims: readonly Claim[];
  readonly underWay: ReadonlyMap<NodeId, string>;
}

/** What a node serves by its own line, without what it handed over since; null where that is not known. */
function claimOf({ askedAtMs, told }: Examination, view: NodeView): SlotSet | null {
  const topology = told.get(view.node.id);
  const { report } = view;
  if (report === null || !isFresh(view, askedAtMs) || topology === undefined) return null;
  if (topology.kind === 'none') return NO_SLOTS;
  if (topology.kind === 'failed' || topology.lines[0]?.version !== report.version) return null;
  const { own } = topology;
  const slots = own?.role === 'master' && report.role === 'master' ? own.slots : NO_SLOTS;
  const job = report.sourceJob;
  const isHandedOver = job?.state === 'success' && job.isInEffect === true;
  return isHandedOver ? differenceSlots(slots, slotSetOf([job.range])) : slots;
}

/** Slots whose move is recorded and may be at either end. */
function movingSlots(situation: Situation): SlotSet {
  return slotSetOf(migrationsOf(situation.cluster).map(({ migration }) => migration.range));
}

/** Slots that are told of as handed over without a record. */
function handedOverSlots(situation: Situation): SlotSet {
  return slotSetOf(unrecordedHandOvers(situation).map(({ range }) => range));
}

function slotsOf(imports: readonly DoubtfulImport[]): SlotSet {
  return slotSetOf(imports.flatMap(({ slots }) => slots));
}

/** Whether a migration or the word of a source explains that a master serves slots which are not its own. */
function isExplained(situation: Situation, { shard, node }: NodeView, slots: SlotSet): boolean {
  const isPart = (range: SlotRange): boolean => intersectionSlots(slots, slotSetOf([range])).length > 0;
  return (
    migrationsOf(situation.cluster).some(
      ({ migration, target }) => target.id === shard.id && isPart(migration.range),
    ) ||
    unrecordedHandOvers(situation).some(({ range, target }) => target.node.id === node.id && isPart(range))
  );
}

function unserved({ situation, claims, underWay }: Claims, explained: SlotSet): readonly Finding[] {
  const served = slotSetOf(claims.flatMap(({ slots }) => slots));
  const known = new Set(claims.map(({ view }) => view.node.id));
  return situation.cluster.shards.flatMap((shard) => {
    const master = masterView(situation, shard);
    if (!known.has(master.node.id) || underWay.has(master.node.id)) return [];
    const slots = differenceSlots(differenceSlots(shard.slots, served), explained);
    if (slots.length === 0) return [];
    return [
      findingAt(master, {
        kind: 'slotsUnserved',
        severity: 'critical',
        text: saidOf(
          master,
          `it does not serve slots ${slotsText(slots)}, which its shard owns, nor does anybody else`,
        ),
        remedy: `${syncCall(situation, master)}.`,
      }),
    ];
  });
}

/** A node that serves slots, another one that does, too, and which. */
interface Pair {
  readonly first: NodeView;
  readonly second: NodeView;
  readonly slots: { start: number; stop: number }[];
}

/** Pairs of nodes that both say that they serve a slot: of more than two each with the one that owns it, or the first. */
function claimedTwice({ situation, claims, underWay }: Claims, moving: SlotSet): readonly Finding[] {
  const rightful = claims.map(({ view, slots }) => ({
    view,
    slots: intersectionSlots(slots, ownSlots(view)),
  }));
  const others = claims.map(({ view, slots }) => ({ view, slots: differenceSlots(slots, ownSlots(view)) }));
  const holders = Array.from<NodeView | undefined>({ length: SLOT_COUNT });
  const pairs = new Map<string, Pair>();
  for (const { view, slots } of [...rightful, ...others]) {
    for (const range of slots) {
      for (let slot: number = range.start; slot <= range.stop; slot += 1) {
        const first = holders[slot];
        if (first === undefined) holders[slot] = view;
        else addSlot(pairs, { first, second: view, slot });
      }
    }
  }
  return [...pairs.values()].flatMap(({ first, second, slots }) => {
    const ranges = slots.map(({ start, stop }) => slotRange(start, stop));
    const twice = differenceSlots(slotSetOf(ranges), moving);
    if (twice.length === 0 || [first, second].some(({ node }) => underWay.has(node.id))) return [];
    return [twiceFinding(situation, { owner: first, other: second }, twice)];
  });
}

function ownSlots({ node, shard }: NodeView): SlotSet {
  return node.role === 'master' ? shard.slots : NO_SLOTS;
}

/** Slots come in their order, so that many are few ranges. */
function addSlot(
  pairs: Map<string, Pair>,
  { first, second, slot }: Pick<Pair, 'first' | 'second'> & { readonly slot: number },
): void {
  const key = `${first.node.id} ${second.node.id}`;
  const pair = pairs.get(key) ?? { first, second, slots: [] };
  pairs.set(key, pair);
  const last = pair.slots.at(-1);
  if (last?.stop === slot - 1) last.stop = slot;
  else pair.slots.push({ start: slot, stop: slot });
}

function twiceFinding(
  situation: Situation,
  { owner, other }: { readonly owner: NodeView; readonly other: NodeView },
  slots: SlotSet,
): Finding {
  const isOwned = differenceSlots(slots, ownSlots(owner)).length === 0;
  const whose = isOwned ? ', whose shard owns them,' : '';
  return findingAt(other, {
    kind: 'slotsClaimedTwice',
    severity: 'critical',
    text: `slots ${slotsText(slots)} are served by ${nodeName(owner)}${whose} and by ${nodeName(other)}: both acknowledge writes, and those of one are lost`,
    remedy: isOwned ? `${syncCall(situation, other)}.` : `POST .../clusters/${situation.cluster.name}/sync.`,
  });
}

function strayImport(
  situation: Situation,
  { view, slots }: DoubtfulImport,
  underWay: ReadonlyMap<NodeId, string>,
): Finding {
  const why = underWay.get(view.node.id) ?? null;
  return findingAt(view, {
    kind: 'strayImport',
    severity: why === null ? 'critical' : 'info',
    text: saidOf(
      view,
      `it serves slots ${slotsText(slots)}, which came to it by a move that nobody recorded, and which are not its own: who writes to it is not heard by their owner`,
    ),
    remedy:
      why === null
        ? `${syncCall(situation, view)}: it turns clients away to the owner then, and what was written to it meanwhile is lost.`
        : `Wait: ${why}.`,
  });
}

/** Imports that run although nobody is known to send anything. */
function unknownImports({ situation, askedAtMs }: Examination): readonly Finding[] {
  const senders = [...situation.views.values()].filter(
    (view) => isFresh(view, askedAtMs) && view.report?.sourceJob?.state === 'start',
  );
  return [...situation.views.values()].flatMap((view) => {
    const { report, node, shard } = view;
    const job = report?.targetJob ?? null;
    if (job?.state !== 'start' || report?.role !== 'master' || !isFresh(view, askedAtMs)) return [];
    const isRecorded = migrationsOf(situation.cluster).some(({ target }) => target.id === shard.id);
    // A job by hand is told at its source.
    const isSent = senders.some((sender) => sender.report?.sourceJob?.destination === node.id);
    if (isRecorded || isSent) return [];
    return [
      findingAt(view, {
        kind: 'unknownImport',
        severity: 'warning',
        text: saidOf(
          view,
          `it takes in slots ${slotsText(slotSetOf([job.range]))}, although no migration is recorded and no master that answers sends them`,
        ),
        remedy:
          'Bring back the master that sends them, if one does not answer: the import then ends by itself. Else restart this node, which forgets it; keys that came need not be found and are dropped by the next import.',
      }),
    ];
  });
}

/** What is under way by the store, for people. */
export function movesUnderWay({ cluster }: Situation): readonly Finding[] {
  const moves = migrationsOf(cluster).map(({ migration, sourceIndex, targetIndex }) =>
    findingOf(sourceIndex, {
      kind: 'migrationRunning',
      severity: 'info',
      text: `slots ${slotsText(slotSetOf([migration.range]))} are being moved to shard ${targetIndex}`,
      remedy: `Wait for its end, or give it up: POST .../clusters/${cluster.name}/migrate/cancel {"source":${sourceIndex}}.`,
    }),
  );
  const changes = cluster.shards.flatMap(({ drain }, index) =>
    drain === null
      ? []
      : [
          findingOf(index, {
            kind: 'masterChanging',
            severity: 'info',
            text: `its master hands over to ${drain.to}`,
            remedy: 'Wait: it is finished or undone within seconds.',
          }),
        ],
  );
  return [...moves, ...changes];
}

function slotsText(slots: SlotSet): string {
  const text = printSlotSet(slots).join(' ');
  return text.length > SLOTS_TEXT_MAX ? `${text.slice(0, SLOTS_TEXT_MAX)}...` : text;
}
