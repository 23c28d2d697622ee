// What is written down for people of a decision, in the very transaction that carries it out.

import type { CommitAction, CommitReason } from '../control/actions.ts';
import { explain } from '../control/explain.ts';
import { explanationBody } from '../control/explanation-body.ts';
import type { Situation } from '../control/situation.ts';
import type { EventDraft, EventKind } from '../topology/event.ts';
import { rangeOf } from '../topology/task.ts';

/** The events of a commit that was decided from `situation`. What is only noted is no news. */
export function eventsOf(action: CommitAction, situation: Situation): readonly EventDraft[] {
  return action.reasons.flatMap((reason) => draftOf(reason, action, situation));
}

const KINDS = {
  drainStarted: 'switchoverStarted',
  drainUndone: 'switchoverUndone',
  migrationStarted: 'migrationStarted',
  migrationCleared: 'migrationCleared',
  migrationFinished: 'migrationFinished',
  migrationGivenUp: 'migrationGivenUp',
  handOverUndone: 'migrationGivenUp',
  versionRaised: 'versionRaised',
  copyCondemned: 'copyCondemned',
  copyRemade: 'copyRemade',
  promotionConfirmed: 'promotionConfirmed',
  copyReplaced: 'copyReplaced',
  pushesHeld: 'pushesHeld',
  shardRemoved: 'shardRemoved',
  taskStarted: 'taskStarted',
  taskSucceeded: 'taskSucceeded',
  taskFailed: 'taskFailed',
  taskCancelled: 'taskCancelled',
} as const satisfies Record<Exclude<CommitReason['kind'], 'failover' | 'noted' | 'taskNoted'>, EventKind>;

function draftOf(reason: CommitReason, action: CommitAction, situation: Situation): readonly EventDraft[] {
  switch (reason.kind) {
    case 'noted':
    case 'taskNoted':
      return [];
    case 'failover':
      return [failoverDraft(reason, action, situation)];
    case 'drainStarted':
    case 'drainUndone': {
      const { kind, text, shardIndex, to: node } = reason;
      const correlation = drainName(kind === 'drainStarted' ? action.next : situation.cluster, shardIndex);
      return [{ kind: KINDS[kind], text, shardIndex, node, correlation }];
    }
    case 'migrationStarted':
    case 'migrationCleared':
    case 'migrationFinished':
    case 'migrationGivenUp':
    case 'handOverUndone': {
      const { kind, text, sourceIndex, targetIndex, slots } = reason;
      if (KINDS[kind] !== 'migrationGivenUp' && isOfTask(reason, situation)) return [];
      const move = `slots ${slots} from shard ${sourceIndex} to shard ${targetIndex}`;
      return [{ kind: KINDS[kind], text: `${move}: ${text}`, shardIndex: sourceIndex }];
    }
    case 'versionRaised':
      return [{ kind: KINDS[reason.kind], text: reason.text }];
    case 'shardRemoved': {
      const { kind, text, shardIndex, task } = reason;
      return [{ kind: KINDS[kind], text, shardIndex, correlation: taskName(task) }];
    }
    case 'taskStarted':
    case 'taskSucceeded':
    case 'taskFailed':
    case 'taskCancelled':
      return isTold(reason, action)
        ? [{ kind: KINDS[reason.kind], text: reason.text, correlation: taskName(reason.task) }]
        : [];
    default:
      return [
        { kind: KINDS[reason.kind], text: reason.text, shardIndex: reason.shardIndex, node: reason.node },
      ];
  }
}

/** That a task was asked for is told by whoever asked: what nobody asked for is told when it begins, and again only where it does not end well. */
function isTold(
  { kind, task: id }: { readonly kind: CommitReason['kind']; readonly task: number },
  { tasks = [] }: CommitAction,
): boolean {
  const task = tasks.find((each) => each.id === id);
  const isOwn = task?.kind === 'lend' || task?.kind === 'giveBack';
  if (kind === 'taskStarted') return task?.kind === 'lend';
  return !isOwn || kind !== 'taskSucceeded';
}

/** Jobs of tasks would push everything else out of the log: how far a task is it says itself, and its end is told. */
function isOfTask({ sourceIndex }: { readonly sourceIndex: number }, { cluster, tasks }: Situation): boolean {
  const source = cluster.shards[sourceIndex];
  return source?.migration ? rangeOf(tasks, source.id, source.migration) !== null : false;
}

type FailoverReason = Extract<CommitReason, { readonly kind: 'failover' }>;

function failoverDraft(reason: FailoverReason, { next }: CommitAction, situation: Situation): EventDraft {
  const { shardIndex, to: node, isDrained, lost, text } = reason;
  const shard = situation.cluster.shards[shardIndex];
  const details =
    shard === undefined
      ? null
      : JSON.stringify(explanationBody(explain(situation, shard), situation.nowSeconds * 1000));
  return {
    kind: isDrained ? 'switchover' : 'failover',
    text,
    shardIndex,
    node,
    lost,
    details,
    correlation: isDrained ? drainName(situation.cluster, shardIndex) : `failover-${next.version}`,
  };
}

/** All that is told of one task is called by its number. */
export function taskName(id: number): string {
  return `migration-${id}`;
}

/** All steps of one switchover are called by the version with which it began. */
function drainName({ shards }: Situation['cluster'], shardIndex: number): string {
  const version = shards[shardIndex]?.drain?.version;
  return version === undefined ? '' : `switchover-${version}`;
}
