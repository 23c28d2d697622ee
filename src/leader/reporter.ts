// Turns decisions and their outcomes into log lines: one line a decision and one a change, never one an attempt.

import type { Logger } from '../base/logger.ts';
import type { Result } from '../base/result.ts';
import type {
  CommitAction,
  CommitReason,
  FenceAction,
  MigrateAction,
  PushAction,
  TuneAction,
} from '../control/actions.ts';
import type { FailoverRefusal } from '../control/failover-request.ts';
import type { LeaseAnswer } from '../control/lease-memory.ts';
import type { NodeError } from '../control/observation.ts';
import { type Problem, problemKey, PROBLEMS } from '../control/problems.ts';
import { printSlotRange } from '../topology/slot.ts';
import type { ChangeError } from '../topology/record.ts';
import { type NodeTuning, tuningText } from '../topology/tuning.ts';
import type { Cluster, NodeAddress, NodeId } from '../topology/types.ts';
import { ChangeGate } from './change-gate.ts';
import type { HandRequest } from './manual-failover.ts';
import type { Tally } from './tally.ts';

const REASON_EVENTS = {
  failover: 'failover',
  drainStarted: 'switchover.drain',
  drainUndone: 'switchover.undo',
  migrationStarted: 'migration.start',
  migrationCleared: 'migration.clear',
  migrationFinished: 'migration.finish',
  migrationGivenUp: 'migration.giveup',
  handOverUndone: 'migration.undo',
  versionRaised: 'version.raise',
  copyCondemned: 'copy.condemn',
  copyRemade: 'copy.remake',
  copyReplaced: 'copy.replace',
  promotionConfirmed: 'promotion.confirm',
  pushesHeld: 'pushes.hold',
  shardRemoved: 'shard.remove',
  taskStarted: 'task.start',
  taskSucceeded: 'task.succeed',
  taskFailed: 'task.fail',
  taskCancelled: 'task.cancel',
} as const satisfies Record<TellingReason['kind'], string>;

/** Reasons that are no news. */
const QUIET: ReadonlySet<string> = new Set(['noted', 'taskNoted']);

/** Reasons that are news: positions that are written down are none. */
type TellingReason = Exclude<CommitReason, { readonly kind: 'noted' | 'taskNoted' }>;

/** One cluster's log. Lasting faults are told when they begin, when they change their nature, and when they end. */
export class Reporter {
  readonly #logger: Logger;
  readonly #tally: Tally;
  readonly #pushFaults = new ChangeGate<NodeId>();
  readonly #problems = new ChangeGate<string>();
  readonly #faults = new ChangeGate<string>();
  readonly #leases = new ChangeGate<NodeId>();
  readonly #tunings = new ChangeGate<NodeId>();
  #commitFault: string | null = null;

  constructor(logger: Logger, tally: Tally) {
    this.#logger = logger;
    this.#tally = tally;
  }

  /** The problems of a decision: what is new, what has another reason now, what is gone. Details that only count on are no news. */
  problems(problems: readonly Problem[]): void {
    const current = new Map(problems.map((problem) => [problemKey(problem), problem]));
    for (const [key, problem] of current) {
      if (!this.#problems.isNews(key, problem.detail.replaceAll(/\d+/g, ''))) continue;
      this.#tally.problem(problem.kind);
      const fields = {
        problem: problem.kind,
        severity: PROBLEMS[problem.kind].severity,
        shard: problem.shardIndex,
        node: problem.node,
        addr: problem.address,
        detail: problem.detail,
        remedy: PROBLEMS[problem.kind].remedy,
      };
      if (fields.severity === 'info') this.#logger.info('problem.found', fields);
      else this.#logger.warn('problem.found', fields);
    }
    for (const key of this.#problems.keysBeside(current)) {
      this.#problems.clear(key);
      this.#logger.info('problem.gone', { problem: key });
    }
  }

  /** What was decided, before it is committed. */
  committing(action: CommitAction): void {
    for (const reason of tellingReasons(action)) {
      this.#tally.committing(reason);
      const event = `${REASON_EVENTS[reason.kind]}.started`;
      this.#logger.info(event, { ...fieldsOf(reason), version: action.next.version });
    }
  }

  migrating(action: MigrateAction): void {
    this.#logger.info('migrate.sent', {
      node: action.source,
      addr: action.sourceAddress,
      target: action.target,
      slots: printSlotRange(action.range),
      attempt: action.attempt,
    });
  }

  /** Somebody asked for a failover and did not get it. */
  failoverRefused(request: HandRequest, refusal: FailoverRefusal): void {
    const why = 'reason' in refusal ? refusal.reason : null;
    this.#logger.info('failover.refused', { ...request, reason: refusal.kind, why });
  }

  /** A decision threw, which is a fault of this program: told once for each message, by whatever way it came about. */
  decisionFailed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const text = error instanceof Error ? (error.stack ?? message) : message;
    if (this.#faults.isNews('decision', message)) this.#logger.error('decision.failed', { error: text });
  }

  /** Every node has the committed version and its role. */
  converged(version: number, nodes: number): void {
    this.#logger.info('cluster.converged', { version, nodes });
  }

  /** `isRepair`: the whole cluster had this version before, so this node had lost it. */
  pushed(action: PushAction, result: Result<void, NodeError>, isRepair: boolean): void {
    const fields = { node: action.node, addr: action.address, version: action.version };
    this.#tally.pushed(result.ok);
    if (result.ok) {
      this.#pushFaults.clear(action.node);
      if (isRepair) this.#logger.info('push.accepted', { ...fields, why: action.why });
      else this.#logger.debug('push.accepted', { ...fields, why: action.why });
    } else if (this.#pushFaults.isNews(action.node, `${result.error.kind} ${action.version}`)) {
      this.#logger.warn('push.failed', {
        ...fields,
        reason: result.error.kind,
        message: result.error.message,
      });
    }
  }

  /** Whoever would copy an emptied master is turned away, or could not be. */
  fenced({ node, address, why }: FenceAction, result: Result<void, NodeError>): void {
    const fields = { node, addr: address, why };
    if (result.ok) this.#logger.warn('node.fenced', fields);
    else if (this.#pushFaults.isNews(node, `fence ${result.error.kind}`))
      this.#logger.warn('node.fence.failed', {
        ...fields,
        reason: result.error.kind,
        message: result.error.message,
      });
  }

  /** A source sends as a task wants it, or as before again; or it could not be told. What it has is no news. */
  tuned({ node, address, task, step, settings }: TuneAction, result: Result<NodeTuning, NodeError>): void {
    const fields = { node, addr: address, migration: task, step, settings: tuningText(settings) };
    if (!result.ok) {
      const { kind: reason, message } = result.error;
      if (this.#tunings.isNews(node, `${step} ${reason}`))
        this.#logger.warn('node.tune.failed', { ...fields, reason, message });
    } else if (step !== 'read') {
      this.#tunings.clear(node);
      this.#logger.info('node.tuned', fields);
    }
  }

  /** Whether a master has a lease now; silence is told elsewhere. */
  leased(
    { node, address }: { readonly node: NodeId; readonly address: NodeAddress },
    answer: LeaseAnswer,
  ): void {
    const fields = { node, addr: address };
    if (answer.kind === 'refused') {
      if (this.#leases.isNews(node, answer.why))
        this.#logger.warn('lease.refused', { ...fields, why: answer.why });
    } else if (answer.kind === 'none' || (answer.kind === 'renewed' && answer.mode !== 'block-write')) {
      const why = answer.kind === 'none' ? answer.why : 'does not refuse writes without one';
      if (this.#leases.isNews(node, why)) this.#logger.info('lease.none', { ...fields, why: `it ${why}` });
    } else if (answer.kind === 'renewed' && this.#leases.isNews(node, 'held')) {
      this.#logger.info('lease.held', fields);
    }
  }

  migrateAnswered(action: MigrateAction, result: Result<void, NodeError>): void {
    this.#tally.migrateAnswered(result.ok);
    if (result.ok) return;
    this.#logger.warn('migrate.failed', {
      node: action.source,
      addr: action.sourceAddress,
      attempt: action.attempt,
      reason: result.error.kind,
      message: result.error.message,
    });
  }

  committed(action: CommitAction, result: Result<void, ChangeError>): void {
    for (const reason of tellingReasons(action)) {
      this.#tally.committed(reason, result);
      if (!result.ok) continue;
      const event = `${REASON_EVENTS[reason.kind]}.committed`;
      this.#logger.info(event, { ...fieldsOf(reason), version: action.next.version });
    }
    const fault = result.ok ? null : result.error.kind;
    if (!result.ok && fault !== this.#commitFault) {
      const why = result.error.kind === 'unknown' ? result.error.reason : null;
      this.#logger.warn('commit.failed', { reason: result.error.kind, why, version: action.next.version });
    }
    this.#commitFault = fault;
  }

  /** Forgets nodes that left. */
  follow(cluster: Cluster): void {
    const ids = new Set(cluster.shards.flatMap((shard) => shard.nodes.map((node) => node.id)));
    this.#pushFaults.keepOnly(ids);
    this.#leases.keepOnly(ids);
    this.#tunings.keepOnly(ids);
  }
}

function tellingReasons(action: CommitAction): readonly TellingReason[] {
  return action.reasons.filter((reason): reason is TellingReason => !QUIET.has(reason.kind));
}

function fieldsOf(reason: TellingReason): Record<string, string | number | boolean | null> {
  const { kind: _kind, text, ...fields } = reason;
  return { ...fields, why: text };
}
