// The bugs that the model of a fleet has to find: each takes away one rule that keeps data.

import type { HappeningKind } from '../unit/control/model/plan.ts';
import type { Mutant } from './mutant.ts';

interface ControlMutant extends Mutant {
  /** What has to happen for it to show: runs of these kinds of happenings are tried. */
  readonly kinds: readonly HappeningKind[];
}

const CANDIDATES = 'src/control/candidates.ts';
const DRAIN = 'src/control/drain.ts';
const FAILOVER = 'src/control/failover.ts';
const HAND_OVER = 'src/control/hand-over.ts';
const JOINING = 'src/control/joining.ts';
const LINEAGE = 'src/control/lineage.ts';
const LOSS = 'src/control/loss.ts';
const MEMORY = 'src/control/memory.ts';
const MIGRATION = 'src/control/migration.ts';
const STATUS = 'src/control/migration-status.ts';
const SIGHTING = 'src/control/sighting.ts';
const STANDING = 'src/control/standing.ts';
const TARGET = 'src/control/target.ts';

export const CONTROL_MUTANTS: Readonly<Record<string, ControlMutant>> = {
  'data-without-topology-joins': {
    bug: 'a node without topology joins as it is, whatever it stands at',
    kinds: ['rejoin', 'removeReplica'],
    edits: [
      {
        file: JOINING,
        find: `if (node.sequence === 0) return { kind: 'empty' };
  return { kind: 'unproven'`,
        replace: `if (node.sequence !== null) return { kind: 'empty' };
  return { kind: 'unproven'`,
      },
      {
        file: LINEAGE,
        find: 'if (facts.sequence !== sequence || facts.following === null) {',
        replace: 'if (facts.sequence === Infinity) {',
      },
    ],
  },
  'replica-of-another-shard-joins': {
    bug: 'a replica of another shard joins as a copy of this one',
    kinds: ['rejoin', 'removeReplica'],
    edits: [
      {
        file: JOINING,
        find: 'if (shardFacts === undefined || followed === null || !isOfShard)',
        replace: 'if (shardFacts === undefined || followed === null)',
      },
      {
        file: LINEAGE,
        find: `if (role === 'replica' && master === place.masterAddress) return { kind: 'current' };`,
        replace: `if (role === 'replica') return { kind: 'current' };`,
      },
    ],
  },
  'departed-returns-unjudged': {
    bug: 'what was told that it left comes back as a copy wherever it stands',
    kinds: ['rejoin', 'removeReplica', 'failover', 'kill'],
    edits: [
      {
        file: JOINING,
        find: 'const copy = before === null ? node : { ...before, sequence };',
        replace: 'const copy = before === null ? node : { ...before, sequence: 1 };',
      },
      {
        file: TARGET,
        find: 'const copy = isCutOff && before !== null ? { ...before, sequence: report.sequence } : report;',
        replace: 'const copy = isCutOff && before !== null ? { ...before, sequence: 1 } : report;',
      },
    ],
  },
  'emptied-master-stays': {
    bug: 'a master that comes back without its data is made master again',
    kinds: ['wipe', 'kill'],
    edits: [
      { file: LOSS, find: 'if (sequence < seen) {', replace: 'if (sequence < 0) {' },
      {
        file: LOSS,
        find: 'if (isIdentityLost && replicaSequence !== null && replicaSequence > sequence) {',
        replace: 'if (sequence < 0) {',
      },
    ],
  },
  'loss-forgotten-with-the-leader': {
    bug: 'the next leader does not know where a master stood before it came back',
    kinds: ['wipe', 'kill', 'leaderChange'],
    edits: [
      {
        file: LOSS,
        find: 'const seen = Math.max(known.facts.sequence ?? 0, ...earlierSequences(known.memory));',
        replace: 'const seen = Math.max(0, ...earlierSequences(known.memory));',
      },
    ],
  },
  'emptied-master-not-fenced': {
    bug: 'replicas that come back copy an emptied master',
    kinds: ['wipe', 'kill'],
    edits: [
      {
        file: TARGET,
        find: 'const isOpen = !report.isFenced && shard.nodes.length > 1;',
        replace: 'const isOpen = false;',
      },
    ],
  },
  'stranger-taken-for-the-node': {
    bug: `another cluster's node at a master's address counts as that master`,
    kinds: ['stranger'],
    edits: [
      {
        file: SIGHTING,
        find: 'return report.id !== null && report.id !== id && report.version >= 0;',
        replace: 'return false;',
      },
    ],
  },
  'copy-of-a-stranger': {
    bug: `a replica that may have met a stranger at its master's address counts as a copy`,
    kinds: ['stranger', 'hang'],
    edits: [
      {
        file: TARGET,
        find: 'if (sight.memory.mayHaveMetStranger) return MET_STRANGER;',
        replace: 'if (sight.node.address !== null) return null;',
      },
    ],
  },
  'empty-replica-without-proof': {
    bug: 'an empty replica takes over although its master may have had something',
    kinds: ['kill', 'replaceReplica'],
    edits: [
      {
        file: STANDING,
        find: 'if (sequence === 0 && !isShardEmpty(copy)) {',
        replace: 'if (sequence === Infinity) {',
      },
      {
        file: STANDING,
        find: 'if (sequence === 0 && isJustSeenEmpty(master)) {',
        replace: 'if (sequence === 0) {',
      },
    ],
  },
  'returning-master-not-compared': {
    bug: 'an old master follows its successor whatever it has more than that',
    kinds: ['kill'],
    edits: [
      {
        file: LINEAGE,
        find: 'if (sequence > promotion.sequence) {',
        replace: 'if (sequence === Infinity) {',
      },
    ],
  },
  'returning-master-not-cut-off': {
    bug: 'an old master is compared while clients still write to it',
    kinds: ['hang', 'cutFromControl', 'leaderChange', 'kill'],
    edits: [{ file: TARGET, find: 'if (!isCutOff && !isFinal(found))', replace: 'if (sight.node === null)' }],
  },
  'drain-over-before-all-is-copied': {
    bug: 'a planned change of masters is finished while the replica lacks what the drained master has',
    kinds: ['cutFromMaster', 'failover', 'stuck'],
    edits: [
      {
        file: DRAIN,
        find: `verdict.kind === 'eligible' && verdict.sequence >= frozen;`,
        replace: `verdict.kind === 'eligible';`,
      },
    ],
  },
  'drain-taken-for-granted': {
    bug: 'a master counts as drained before it was seen to be',
    kinds: ['failover', 'cutFromControl', 'stuck'],
    edits: [
      {
        file: DRAIN,
        find: 'const isTold = report.version === cluster.version && memory.foreignVersion !== report.version;',
        replace: 'const isTold = cluster.version !== 0;',
      },
    ],
  },
  'lag-without-a-bound': {
    bug: 'a replica takes over however much it lacks',
    kinds: ['stuck', 'kill'],
    edits: [{ file: STANDING, find: 'if (behind !== null) return refused(behind);', replace: '' }],
  },
  'lag-without-an-age': {
    bug: 'a replica takes over that lacks little, but something old: it was stuck',
    kinds: ['stuck', 'kill'],
    edits: [{ file: STANDING, find: 'if (lag.isOld) {', replace: 'if (lag.count === Infinity) {' }],
  },
  'open-promotion-forgotten': {
    bug: 'the old master is demoted before its successor was seen as master',
    kinds: ['kill', 'ambushPromotion', 'wrongPassword'],
    edits: [{ file: FAILOVER, find: 'isConfirmed: false,', replace: 'isConfirmed: true,' }],
  },
  'notes-not-read': {
    bug: 'a new leader reads neither where a master stood nor which links were down',
    kinds: ['kill', 'cutFromMaster', 'leaderChange'],
    edits: [
      {
        file: STANDING,
        find: 'return following === null && !isUnwritten;',
        replace: 'return following === null && isUnwritten && !isUnwritten;',
      },
      {
        file: STANDING,
        find: 'const known = Math.max(master.facts.sequence ?? 0, floor);',
        replace: 'const known = floor;',
      },
      {
        file: STANDING,
        find: `if (seen.kind === 'unknown' && master.facts.sequence === null && floor === 0) return seen;`,
        replace: `if (seen.kind === 'unknown' && floor === 0) return seen;`,
      },
    ],
  },
  'foreign-topology-promoted': {
    bug: 'a replica takes over whose topology is not the committed one',
    kinds: ['secondController', 'failover', 'kill', 'cutFromControl', 'ambushPromotion'],
    edits: [
      { file: CANDIDATES, find: 'if (impossible !== null) return refused(impossible);', replace: '' },
      { file: CANDIDATES, find: 'if (lineage !== null) return refused(lineage);', replace: '' },
    ],
  },
  'condemned-copy-promoted': {
    bug: 'a replica takes over whose copy is to be made anew',
    kinds: ['kill', 'hang'],
    edits: [
      {
        file: CANDIDATES,
        find: 'if (view.facts.remake !== null) return',
        replace: 'if (view.facts.sequence === Infinity) return',
      },
    ],
  },
  'told-to-follow-by-somebody-else': {
    bug: 'who was told to follow by somebody else counts as a copy',
    kinds: ['secondController', 'kill'],
    edits: [
      {
        file: TARGET,
        find: `if (report.role !== 'replica') return null;
  const why =`,
        replace: `if (report.role !== null) return null;
  const why =`,
      },
    ],
  },
  'made-anew-without-an-outrun': {
    bug: 'a condemned copy is told to follow as it is, and counts as made anew as soon as its link is up',
    kinds: ['kill', 'hang'],
    edits: [
      {
        file: TARGET,
        find: 'if (memory.remake.outrunTo !== null && report.sequence >= goal + OUTRUN_MARGIN / 2) {',
        replace: 'if (memory.look !== null) {',
      },
      {
        file: TARGET,
        find: `report.role !== 'replica' || outrunTo === null)
    return false;
  const isFull = sawFullSync || report.sequence < outrunTo;`,
        replace: `report.role !== 'replica')
    return false;
  const isFull = sawFullSync || outrunTo === null;`,
      },
      {
        file: TARGET,
        find: 'if (outrunTo === null) return false;',
        replace: 'if (outrunTo === null) return true;',
      },
    ],
  },
  'given-up-on-an-old-word': {
    bug: 'a migration is given up on a word of the source from before its request',
    kinds: ['migrate', 'hang', 'ambushMigrate'],
    edits: [
      {
        file: STATUS,
        find: 'isSourceCurrent: requestEndMs !== null && isFresh(source, requestEndMs),',
        replace: 'isSourceCurrent: true,',
      },
      { file: MEMORY, find: 'noteExport(nodes, before, after);', replace: '' },
    ],
  },
  'ends-not-held': {
    bug: 'the ends of a migration hear of higher versions although its success is not recorded',
    kinds: ['migrate', 'ambushHandOver', 'addReplica', 'cutFromControl'],
    edits: [
      {
        file: STATUS,
        find: `if (!view.isSourceCurrent || view.targetState === 'succeeded') return false;
  return view.sourceState === 'idle' || view.sourceState === 'failed';`,
        replace: `return view.sourceState !== 'running';`,
      },
    ],
  },
  'hung-source-given-up': {
    bug: 'a migration is given up while its hung source still has the request before it',
    kinds: ['migrate', 'ambushMigrate', 'hang'],
    edits: [
      {
        file: MIGRATION,
        find: `const cannotStart = kind === 'refused' || kind === 'stranger' || targetState === 'failed';`,
        replace: 'const cannotStart = kind !== undefined;',
      },
    ],
  },
  'unrecorded-hand-over-undone': {
    bug: 'a hand-over that nobody recorded is undone by the next topology',
    kinds: ['migrate', 'ambushMigrate', 'hang'],
    edits: [
      {
        file: HAND_OVER,
        find: `if (shard.migration?.stage.kind === 'started') continue;`,
        replace: 'if (shard.id !== null) continue;',
      },
    ],
  },
  'unrecorded-hand-over-not-adopted': {
    bug: 'a hand-over that both ends report is never recorded',
    kinds: ['migrate', 'ambushMigrate', 'hang'],
    edits: [{ file: HAND_OVER, find: 'if (!isProven) continue;', replace: 'if (range !== null) continue;' }],
  },
  'given-up-at-the-same-version': {
    bug: 'a migration is given up without a higher version: its target goes on serving the slots',
    kinds: ['migrate', 'ambushHandOver', 'ambushMigrate'],
    edits: [
      {
        file: MIGRATION,
        find: 'return hasLeftNothing(view) ? ended : raised(ended);',
        replace: `return hasLeftNothing(view) || view.sourceState !== 'succeeded' ? ended : raised(ended);`,
      },
      {
        file: TARGET,
        find: `if (hasStrayImport(found)) return 'slots came to it that nobody moves there';`,
        replace: '',
      },
    ],
  },
  'unheard-success-not-cleared': {
    bug: 'slots are copied again to a target that may serve them since an attempt whose success was never heard of',
    kinds: ['migrate', 'ambushHandOver', 'ambushMigrate'],
    edits: [{ file: MIGRATION, find: 'if (remains !== null) return remains;', replace: '' }],
  },
  'success-of-an-earlier-move': {
    bug: 'a success that the target remembers of an earlier move counts as one of this move',
    kinds: ['migrate', 'ambushMigrate'],
    edits: [
      {
        file: STATUS,
        find: `return stage.kind === 'started' && (!stage.isTargetMarked || memory.sawTargetUnmarked)`,
        replace: `return stage.kind === 'started'`,
      },
    ],
  },
  'success-recorded-at-an-emptied-target': {
    bug: 'a hand-over is recorded although its target has lost its data',
    kinds: ['migrate', 'ambushHandOver', 'wipe'],
    edits: [
      {
        file: MIGRATION,
        find: 'if (isTargetEmptied) return stepAfterLoss(situation, view);',
        replace: '',
      },
    ],
  },
  'import-of-an-unproven-replica': {
    bug: 'the replica of a dead target gets the slots, whether or not it has what was imported',
    kinds: ['migrate', 'ambushHandOver', 'kill'],
    edits: [
      {
        file: FAILOVER,
        find: 'if (imported !== null && candidate.sequence >= imported) {',
        replace: 'if (imported === null || candidate.sequence >= 0) {',
      },
    ],
  },
};
