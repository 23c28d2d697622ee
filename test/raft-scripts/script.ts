// Replays a transcript: commands in, everything the cores want done out, as text.

import { AssertionError, assert, present } from '../../src/base/assert.ts';
import { allMembers, foundingMembership } from '../../src/raft/core/membership.ts';
import type { MembershipChange } from '../../src/raft/core/membership-change.ts';
import type { Message } from '../../src/raft/core/messages.ts';
import type { Effects, Input } from '../../src/raft/core/step.ts';
import { logIndex, memberId } from '../../src/raft/core/types.ts';
import type { MemberId, SnapshotMeta, Term } from '../../src/raft/core/types.ts';
import {
  OPTIONS,
  bytes,
  incarnationOf,
  memberIds,
  membership,
  restored,
  unbound,
} from '../support/raft-core/builders.ts';
import type { Shape } from '../support/raft-core/builders.ts';
import { DurableMember } from '../support/raft-core/durable-member.ts';
import type { MemberListener } from '../support/raft-core/durable-member.ts';
import { effectLines, messageText, statusLine } from './describe.ts';

/** Something under way: a message, or a snapshot with the term of its sender. */
interface Parcel {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly content:
    | { readonly kind: 'message'; readonly message: Message }
    | { readonly kind: 'snapshot'; readonly term: Term; readonly snapshot: SnapshotMeta };
}

interface Command {
  readonly name: string;
  readonly words: readonly string[];
  readonly settings: ReadonlyMap<string, string>;
}

const SETTLE_STEPS_MAX = 5000;

function parseCommand(line: string): Command {
  const [name = '', ...rest] = line.trim().split(/\s+/u);
  const settings = new Map<string, string>();
  const words: string[] = [];
  for (const word of rest) {
    const [key = '', value] = word.split('=');
    if (value === undefined) words.push(word);
    else settings.set(key, value);
  }
  return { name, words, settings };
}

function numbers(list: string | undefined): readonly number[] {
  return list === undefined || list === '' ? [] : list.split(',').map(Number);
}

function changeOf(name: string, [who = '', ...options]: readonly string[]): MembershipChange {
  if (name === 'voters') return { kind: 'replaceVoters', voters: memberIds(...numbers(who)) };
  const member = memberId(Number(who));
  const incarnation = incarnationOf(member);
  switch (name) {
    case 'add': {
      const bound = options.includes('unbound') ? null : incarnation;
      return { kind: 'addLearner', member, address: `member:${member}`, incarnation: bound };
    }
    case 'bind':
      return { kind: 'bind', member, incarnation };
    case 'promote':
    case 'remove':
      return { kind: name, member };
    default:
      throw new AssertionError(`unknown change ${name}`);
  }
}

export class Script implements MemberListener {
  #shape: Shape = {};
  #members = new Map<number, DurableMember>();
  #parcels: Parcel[] = [];
  readonly #cut = new Set<string>();
  #lines: string[] = [];

  /** Runs one command and returns what it led to. */
  run(line: string): readonly string[] {
    this.#lines = [];
    this.#execute(parseCommand(line));
    return this.#lines;
  }

  onStep(member: DurableMember, _: Input, effects: Effects): void {
    this.#lines.push(...effectLines(member.id, effects));
  }

  onMessages(_: DurableMember, messages: readonly Message[]): void {
    for (const message of messages) {
      this.#send({ from: message.from, to: message.to, content: { kind: 'message', message } });
    }
  }

  onSendSnapshot(member: DurableMember, to: MemberId): void {
    const content = { kind: 'snapshot', term: member.core.role.term, snapshot: member.durable.base } as const;
    this.#send({ from: member.id, to, content });
  }

  #execute({ name, words, settings }: Command): void {
    const [first = '', second = '', ...more] = words;
    switch (name) {
      case 'group':
        return this.#group(settings);
      case 'member':
        return this.#start(Number(first), settings);
      case 'tick':
        return this.#tick(
          this.#member(first),
          Number(second.slice(1) || 1),
          Number(settings.get('entropy') ?? 0),
        );
      case 'deliver':
        return this.#deliver(first);
      case 'drop':
        this.#take(first, second === 'all' ? Number.POSITIVE_INFINITY : 1);
        return;
      case 'repeat':
        this.#parcels.push({ ...present(this.#onLink(first)[0], `nothing under way on ${first}`) });
        return;
      case 'disk':
        for (const member of this.#chosen(first)) member.completeOldest();
        return;
      case 'settle':
        return this.#settle();
      case 'cut':
        return this.#cutLinks(first);
      case 'heal':
        return this.#cut.clear();
      case 'propose': {
        const proposals = [second, ...more].map((text, id) => ({ id, data: bytes(text) }));
        return this.#member(first).step({ kind: 'propose', proposals });
      }
      case 'read':
        return this.#member(first).step({ kind: 'read', id: Number(second) });
      case 'change':
        return this.#member(first).step({ kind: 'changeMembership', id: 0, change: changeOf(second, more) });
      case 'transfer':
        return this.#member(first).step({
          kind: 'transfer',
          to: second === '' ? null : memberId(Number(second)),
        });
      case 'compact':
        return this.#member(first).compact(logIndex(Number(second)));
      case 'unreachable':
        return this.#member(first).step({ kind: 'unreachable', peer: memberId(Number(second)) });
      case 'crash':
        return this.#member(first).crash(Number(settings.get('keep') ?? 0));
      case 'restart':
        return this.#member(first).restart();
      case 'status':
        return this.#status();
      default:
        assert(false, `unknown command ${name}`);
    }
  }

  #group(settings: ReadonlyMap<string, string>): void {
    const setting = (key: string, otherwise: number): number => Number(settings.get(key) ?? otherwise);
    const members = membership(numbers(settings.get('voters')), numbers(settings.get('learners')));
    this.#shape = {
      membership: settings.has('unbound') ? unbound(members) : members,
      options: {
        electionTicks: setting('election', OPTIONS.electionTicks),
        heartbeatTicks: setting('heartbeat', OPTIONS.heartbeatTicks),
        inflightMax: setting('window', OPTIONS.inflightMax),
        appendEntriesMax: setting('entries', OPTIONS.appendEntriesMax),
        readsMax: setting('reads', OPTIONS.readsMax),
      },
    };
    this.#members = new Map();
    this.#parcels = [];
    this.#cut.clear();
    for (const id of allMembers(members)) this.#start(id, new Map());
    for (const id of numbers(settings.get('joining'))) this.#start(id, new Map([['knows', 'nobody']]));
  }

  #start(id: number, settings: ReadonlyMap<string, string>): void {
    const [index, inTerm] = (settings.get('base') ?? '0@0').split('@').map(Number);
    const log = numbers(settings.get('log'));
    const shape: Shape = {
      ...this.#shape,
      ...(settings.has('knows') ? { membership: foundingMembership(new Map()) } : {}),
      base: [index ?? 0, inTerm ?? 0],
      log,
      term: Number(settings.get('term') ?? log.at(-1) ?? inTerm ?? 0),
      votedFor: settings.has('vote') ? Number(settings.get('vote')) : null,
    };
    const incarnation = incarnationOf(id, settings.has('wiped') ? 1 : 0);
    const options = { ...OPTIONS, ...this.#shape.options, self: memberId(id), incarnation };
    this.#members.set(id, new DurableMember(options, restored(shape), this));
  }

  #tick(member: DurableMember, count: number, entropy: number): void {
    for (let done = 0; done < count; done += 1) member.step({ kind: 'tick', entropy });
  }

  #deliver(link: string): void {
    const arriving = link === 'all' ? this.#parcels.splice(0) : this.#take(link, 1);
    for (const parcel of arriving) this.#arrive(parcel);
  }

  #settle(): void {
    for (let step = 0; step < SETTLE_STEPS_MAX; step += 1) {
      const parcel = this.#parcels.shift();
      if (parcel !== undefined) this.#arrive(parcel);
      else if (!this.#chosen('all').some((member) => member.completeOldest())) return;
    }
    assert(false, 'the exchange comes to rest');
  }

  #arrive({ from, to, content }: Parcel): void {
    const receiver = this.#member(String(to));
    if (content.kind === 'message') {
      if (receiver.running) receiver.step({ kind: 'message', message: content.message });
      return;
    }
    const { snapshot } = content;
    if (receiver.running) receiver.step({ kind: 'snapshotReceived', from, term: content.term, snapshot });
    const sender = this.#member(String(from));
    const end = { kind: 'snapshotSent', to, index: snapshot.index, delivered: receiver.running } as const;
    if (sender.running) sender.step(end);
  }

  #send(parcel: Parcel): void {
    if (this.#cut.has(`${parcel.from}>${parcel.to}`)) return;
    this.#parcels.push(parcel);
  }

  #onLink(link: string): readonly Parcel[] {
    return this.#parcels.filter(({ from, to }) => `${from}>${to}` === link);
  }

  /** Takes the oldest parcels of a link out of the network. */
  #take(link: string, count: number): readonly Parcel[] {
    const taken = this.#onLink(link).slice(0, count);
    assert(taken.length > 0, `nothing under way on ${link}`);
    this.#parcels = this.#parcels.filter((parcel) => !taken.includes(parcel));
    return taken;
  }

  #cutLinks(what: string): void {
    const links = what.includes('>')
      ? [what]
      : [...this.#members.keys()].flatMap((other) => [`${what}>${other}`, `${other}>${what}`]);
    for (const link of links) this.#cut.add(link);
    this.#parcels = this.#parcels.filter(({ from, to }) => !this.#cut.has(`${from}>${to}`));
  }

  #status(): void {
    for (const member of this.#members.values()) {
      const text = member.running ? statusLine(member.core, member.durable.hardState) : 'stopped';
      const disk = member.pendingOperations > 0 ? ` | ${member.pendingOperations} disk operations open` : '';
      this.#lines.push(`${member.id}: ${text}${disk}`);
    }
    for (const { from, to, content } of this.#parcels) {
      const text =
        content.kind === 'message' ? messageText(content.message) : `snapshot at ${content.snapshot.index}`;
      this.#lines.push(`under way ${from}>${to} ${text}`);
    }
  }

  #member(id: string): DurableMember {
    return present(this.#members.get(Number(id)), `member ${id} exists`);
  }

  #chosen(who: string): readonly DurableMember[] {
    return who === 'all'
      ? [...this.#members.values()].filter((member) => member.running)
      : [this.#member(who)];
  }
}

/** One command with its answers; a command that cannot be done leads to a line that starts with `!`. */
function answered(script: Script, line: string): readonly string[] {
  if (!line.startsWith('>')) return [line];
  try {
    return [line].concat(script.run(line.slice(1)));
  } catch (error) {
    if (error instanceof AssertionError) return [line, `! ${error.message}`];
    throw error;
  }
}

/** Replays `text` and returns it with the answers the cores give now; comments, blank lines and commands stay as they are. */
export function replay(text: string): string {
  const script = new Script();
  const kept = text.split('\n').filter((line) => line.startsWith('>') || line.startsWith('#') || line === '');
  return kept.flatMap((line) => answered(script, line)).join('\n');
}
