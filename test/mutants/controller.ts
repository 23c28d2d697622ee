// The bugs that the simulation of whole controllers has to find: each takes away a rule that several parts keep together.

import { LEASED_FROM, MIGRATING_FROM, TASKS_FROM, WISHFUL_FROM } from '../simulation/controller/knobs.ts';
import type { Mutant } from './mutant.ts';

const BOUNDS = 'src/control/standing.ts';
const DEEDS = 'src/leader/deeds.ts';
const DRAIN = 'src/control/drain.ts';
const EVIDENCE = 'src/control/evidence.ts';
const FAILOVER = 'src/control/failover.ts';
const LEASE = 'src/control/lease.ts';
const MIGRATION = 'src/control/migration.ts';
const MIGRATION_STATUS = 'src/control/migration-status.ts';
const PANEL = 'src/witness/panel.ts';
const SUPERVISOR = 'src/leader/supervisor.ts';
const TARGET = 'src/control/target.ts';
const TASKS = 'src/control/tasks.ts';
const WITNESS = 'src/witness/witness.ts';

interface ControllerMutant extends Mutant {
  /** Where the hunt begins: it takes thousands of seeds to find a rare one again. */
  readonly from?: number;
}

export const CONTROLLER_MUTANTS: Readonly<Record<string, ControllerMutant>> = {
  'pushed-before-committed': {
    bug: 'a supervisor takes a change over when it proposes it, and pushes it although it was not committed',
    edits: [
      {
        file: SUPERVISOR,
        find: 'const result = await records.replaceCluster(from, next, {',
        replace: `this.#record = { ...from, cluster: next, facts };
    const result = await records.replaceCluster(from, next, {`,
      },
    ],
  },
  'version-reused': {
    bug: 'changes of the same record are not compared: whoever commits last overwrites, under the same version',
    edits: [
      {
        file: 'src/registry/cluster-plans.ts',
        find: `    if (current.revision !== record.revision) return err({ kind: 'conflict' });
    return ok(revisionOf(current));`,
        replace: '    return ok(revisionOf(current));',
      },
      {
        file: 'src/registry/cluster-plans.ts',
        find: `    if (this.#records.get(place)?.factsRevision !== record.factsRevision) return err({ kind: 'conflict' });
    if (!this.storesFacts)`,
        replace: '    if (record === null || !this.storesFacts)',
      },
    ],
  },
  'drain-told-to-everybody': {
    bug: 'a drain is told to the replica that takes over, too: it serves the slots while its master may',
    edits: [
      {
        file: 'src/control/convergence.ts',
        find: 'const text = now.length === 0',
        replace: `const text = situation.cluster.shards.some(({ drain }) => drain !== null)
    ? drainText(situation.cluster, masterOf(situation.cluster.shards.find(({ drain }) => drain !== null)!).id)
    : now.length === 0`,
      },
    ],
  },
  'no-majority': {
    bug: `the leader's own word is a majority: a master that only it misses is replaced`,
    edits: [
      {
        file: EVIDENCE,
        find: 'return voters.every((set) => set.filter((voter) => heard.has(voter)).length * 2 > set.length);',
        replace: 'return voters.length > 0 && heard.size > 0;',
      },
    ],
  },
  'answered-elsewhere-ignored': {
    bug: 'that a master answers another controller speaks for nothing',
    edits: [
      {
        file: EVIDENCE,
        find: `if (words.some(({ kind }) => kind === 'answered')) return 'elsewhere';`,
        replace: '',
      },
    ],
  },
  'no-answer-is-silence': {
    bug: 'a member that does not answer counts as one that did not find the node',
    edits: [
      {
        file: PANEL,
        find: `        if (word !== null) words.set(id, { observer: peer.id, ...word, askedAtMs });`,
        replace: `        words.set(id, { observer: peer.id, ...(word ?? { kind: 'silent', why: 'no answer' }), askedAtMs });`,
      },
    ],
  },
  'witness-repeats-itself': {
    bug: 'a witness says what it saw when it was asked first, and does not look again',
    edits: [
      {
        file: WITNESS,
        find: `      // What comes next has taken the place already when somebody waits for it.
      if (looking.next !== null) return;
      this.#looking.delete(address);
      this.#ports.release(address);`,
        replace: `      this.#ports.release(address);`,
      },
      {
        file: WITNESS,
        find: 'looking.next ??= looking.now.then(() => this.#begin(node, deadlineMs));\n    return looking.next;',
        replace: 'return looking.now;',
      },
    ],
  },
  'one-missed-look': {
    bug: 'a master is down as soon as one look at it was missed',
    edits: [
      {
        file: EVIDENCE,
        find: 'return Math.min(graceMs, windowMs);',
        replace: 'return Math.min(0, graceMs, windowMs);',
      },
    ],
  },
  'silence-has-the-grace': {
    bug: 'a master that is silent has only the grace of a process that is gone',
    edits: [
      {
        file: EVIDENCE,
        find: `isUnanimous('refused', own, validWords(testimony, settings));`,
        replace: `(own.kind === 'refused' || own.kind === 'silent');`,
      },
    ],
  },
  'drain-not-awaited': {
    bug: 'a planned change of masters is finished before the old master was seen to turn its clients away',
    edits: [
      {
        file: DRAIN,
        find: 'const isTold = report.version === cluster.version && memory.foreignVersion !== report.version;',
        replace:
          'const isTold = report.version <= cluster.version && memory.foreignVersion !== report.version;',
      },
    ],
  },
  'drain-without-the-rest': {
    bug: 'a planned change of masters is finished although the replica lacks what the drained master has',
    edits: [
      {
        file: DRAIN,
        find: `verdict.kind === 'eligible' && verdict.sequence >= frozen;`,
        replace: `verdict.kind === 'eligible';`,
      },
    ],
  },
  'position-too-high': {
    bug: 'the position recorded of a promotion is where the old master was last seen, not where its successor stands',
    edits: [
      {
        file: FAILOVER,
        find: 'sequence: candidate.isProven ? candidate.sequence : null,',
        replace:
          'sequence: candidate.isProven ? Math.max(candidate.sequence, master.report?.sequence ?? 0) : null,',
      },
    ],
  },
  'any-lag': {
    bug: 'a replica takes over however far it is behind, and for however long',
    edits: [
      {
        file: BOUNDS,
        find: 'if (lag.count > settings.lagMax) {',
        replace: 'if (lag.count === Infinity && settings !== null) {',
      },
      { file: BOUNDS, find: 'if (lag.isOld) {', replace: 'if (lag.count === Infinity) {' },
    ],
  },
  'behind-is-forgotten': {
    from: 2340,
    bug: 'a new leader takes a replica that was written down as behind for one that keeps up, as soon as it sees its link',
    edits: [
      {
        file: BOUNDS,
        find: '?? stillBehind(copy, lag);',
        replace: '?? (situation.nowMs < 0 ? stillBehind(copy, lag) : null);',
      },
      {
        file: 'src/control/notes.ts',
        find: `return isUntold ? (facts.following ?? 'untold') : masterOf(master.shard).id;`,
        replace: `return isUntold && facts === null ? 'untold' : masterOf(master.shard).id;`,
      },
    ],
  },
  'diverged-copy-follows': {
    bug: 'an old master that has writes of its own follows its successor as it is',
    edits: [
      {
        file: 'src/control/lineage.ts',
        find: 'if (sequence > promotion.sequence) {',
        replace: 'if (sequence === Infinity) {',
      },
    ],
  },
  'old-master-not-cut-off': {
    bug: 'an old master is compared with the position of its successor while clients still write to it',
    edits: [{ file: TARGET, find: 'if (!isCutOff && !isFinal(found))', replace: 'if (sight.node === null)' }],
  },
  'late-push-forgotten': {
    bug: 'a node that was unreachable when its topology was pushed is not told again',
    edits: [
      {
        file: DEEDS,
        find: `    this.#parts.happened({ kind: 'pushed', node: action.node, endedAtMs: clock.monotonicMs(), result });`,
        replace: `    if (result.ok || result.error.kind !== 'timedOut')
      this.#parts.happened({ kind: 'pushed', node: action.node, endedAtMs: clock.monotonicMs(), result });`,
      },
    ],
  },
  'pause-not-compared': {
    bug: 'a failover that was decided before a pause was acknowledged is committed after it',
    edits: [
      {
        file: SUPERVISOR,
        find: 'await this.#replace(this.#record, action, this.#policyStamp);',
        replace: 'await this.#replace(this.#record, action, this.#policyStamp.slice(2));',
      },
    ],
  },
  'maintenance-forgotten': {
    bug: 'a node in maintenance takes over like any other',
    edits: [
      {
        file: 'src/control/candidates.ts',
        find: 'if (wish !== null) return `it is in maintenance',
        replace: 'if (wish !== null && nowSeconds < 0) return `it is in maintenance',
      },
    ],
  },
  'told-otherwise': {
    bug: 'what people are told of a failover takes no notice of a pause',
    from: WISHFUL_FROM,
    edits: [
      {
        file: 'src/control/explain.ts',
        find: '  const plan = planFailovers(situation);',
        replace: `  const { group, cluster } = situation.policy;
  const policy = { group: { ...group, automation: null }, cluster: { ...cluster, automation: null } };
  const plan = planFailovers({ ...situation, policy });`,
      },
    ],
  },
  'lease-not-waited-for': {
    bug: 'a silent master is replaced while its lease may last',
    from: LEASED_FROM,
    edits: [
      { file: LEASE, find: 'if (lease.isInFlight) return', replace: 'if (nowMs > 0) return null;\n  return' },
    ],
  },
  'lease-of-the-leader-before-forgotten': {
    bug: 'a new leader does not wait for a lease that the one before it gave',
    from: LEASED_FROM,
    edits: [
      {
        file: LEASE,
        find: 'const otherMs = leadSinceMs + renewalMsMax(settings);',
        replace: 'const otherMs = Math.min(-Infinity, leadSinceMs + renewalMsMax(settings));',
      },
    ],
  },
  'spare-for-who-is-there': {
    bug: 'a replica that the leading controller misses loses its place to a spare, whatever the others see',
    edits: [
      {
        file: 'src/control/shortage.ts',
        find: "view.node.role === 'replica' && isAway(view) &&",
        replace: "view.node.role === 'replica' && (isAway(view) || view.presence !== 'present') &&",
      },
    ],
  },
  'old-news': {
    bug: 'what was seen before a hold is acted on when it ends, however old it is by then',
    from: WISHFUL_FROM,
    edits: [
      {
        file: 'src/control/recheck.ts',
        find: 'if (absence === null) return null;',
        replace: 'if (absence === null || nowMs > -1) return null;',
      },
    ],
  },
  'spare-with-data': {
    bug: 'what a node has is not asked before it is used as a spare: one that comes back is',
    edits: [
      {
        file: 'src/control/spare-memory.ts',
        find: 'const standing = standingOfFresh({ ...answer.value, address, topology: null });',
        replace:
          'const standing = standingOfFresh({ ...answer.value, version: -1, sequence: 0, address, topology: null });',
      },
    ],
  },
  'told-before-forgotten': {
    bug: 'an old master that is told something else right after its role was told to follow by somebody else, so that its copy is thrown away',
    edits: [
      {
        file: TARGET,
        find: 'const isOfBefore = memory.firstVersion === report.version && memory.push.version !== report.version;',
        replace: 'const isOfBefore = memory.push.version !== report.version;',
      },
    ],
  },
  'import-of-before-believed': {
    bug: 'what the target says of an earlier import of the same slots counts for the move that runs',
    from: MIGRATING_FROM,
    edits: [
      {
        file: MIGRATION_STATUS,
        find: `return stage.kind === 'started' && (!stage.isTargetMarked || memory.sawTargetUnmarked)`,
        replace: `return stage.kind === 'started'`,
      },
    ],
  },
  'ends-of-a-job-told': {
    bug: 'a higher version goes to both ends of a job that runs, and of a hand-over that is not recorded',
    from: MIGRATING_FROM,
    edits: [
      {
        file: 'src/control/convergence.ts',
        find: 'if (isSettled(view)) continue;',
        replace: 'if (isSettled(view) || view.memory.failures >= 0) continue;',
      },
    ],
  },
  'start-not-committed': {
    bug: 'MIGRATE is sent before anything says so: the next leader does not know that a job may run',
    from: MIGRATING_FROM,
    edits: [
      {
        file: MIGRATION,
        find: `      return {
        kind: 'start',
        why: 'both ends have the topology',
        isTargetMarked: isTargetMarked(target, place),
      };`,
        replace: `      return target.memory.push.inFlightSinceMs === null ? stepOfStarted(situation, view) : wait('a push');`,
      },
    ],
  },
  'success-of-before-believed': {
    bug: 'a source that remembers an earlier move of the same slots to the same target is taken at its word',
    from: MIGRATING_FROM,
    edits: [
      {
        file: MIGRATION,
        find: 'switch (view.sourceState) {',
        replace: `switch (view.sourceState === 'succeeded' ? 'idle' : view.sourceState) {`,
      },
    ],
  },
  'success-of-the-dead-forgotten': {
    bug: 'a source that dies takes its move with it, although its target has taken the slots over',
    from: MIGRATING_FROM,
    edits: [
      {
        file: FAILOVER,
        find: `if (view.targetState === 'succeeded') {
    return { kind: 'finish', why: 'the source died after`,
        replace: `if (view.targetState === 'succeeded' && source.condition === 'answering') {
    return { kind: 'finish', why: 'the source died after`,
      },
      {
        file: FAILOVER,
        find: `if (view.sourceState === 'succeeded' && !view.isTargetEmptied) {`,
        replace: `if (view.sourceState === 'succeeded' && view.isTargetEmptied) {`,
      },
    ],
  },
  'tasks-believe-jobs': {
    bug: 'a task counts the slots of a job that ended as moved, whoever owns them',
    from: TASKS_FROM,
    edits: [
      {
        file: TASKS,
        find: 'index === found.place ? withFailure(range, reason.text) : range,',
        replace:
          'index === found.place ? { ...range, moved: range.range.stop - range.range.start + 1 } : range,',
      },
    ],
  },
  'failed-jobs-begun-at-once': {
    bug: 'what has failed just now is begun again in the commit that says so',
    from: TASKS_FROM,
    edits: [
      {
        file: TASKS,
        find: 'const retries = retriesAfter(situation, tasks);',
        replace: 'const { retries } = situation.memory;',
      },
    ],
  },
  'jobs-at-unseen-masters': {
    bug: 'a task begins a job at a shard whose new master was not seen as one',
    from: TASKS_FROM,
    edits: [
      {
        file: TASKS,
        find: 'if (openPromotion(situation.facts, shard.id) !== null)',
        replace: 'if (openPromotion(situation.facts, shard.id) !== null && situation.nowMs < 0)',
      },
    ],
  },
  'tasks-end-before-their-jobs': {
    bug: 'a task that is cancelled, or has no range left to try, ends while a job of it is under way',
    from: TASKS_FROM,
    edits: [
      {
        file: 'src/topology/task.ts',
        find: 'if (jobsOf(current, cluster).length > 0) return current;',
        replace: 'if (jobsOf(current, cluster).length > 64) return current;',
      },
    ],
  },
};
