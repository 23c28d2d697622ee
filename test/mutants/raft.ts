// The bugs that the simulator of a group has to find: each is one that a real implementation of Raft had.

import type { Mutant } from './mutant.ts';

const ELECTION = 'src/raft/core/election.ts';
const REPLICATION = 'src/raft/core/replication.ts';
const READS = 'src/raft/core/reads.ts';

export const RAFT_MUTANTS: Readonly<Record<string, Mutant>> = {
  'vote-before-fsync': {
    bug: 'a vote leaves before it is durable',
    edits: [
      {
        file: ELECTION,
        find: `core.out.sendAfterPersist.push({ ...envelope(core, to), kind: 'voteReply', granted });`,
        replace: `core.out.sendNow.push({ ...envelope(core, to), kind: 'voteReply', granted });`,
      },
    ],
  },
  'vote-forgotten-on-step-down': {
    bug: 'the vote of a term is cleared by a change of role',
    edits: [
      {
        file: ELECTION,
        find: 'if (inTerm > core.hardState.term) core.hardState',
        replace: `if (inTerm > core.hardState.term || core.role.kind === 'candidate') core.hardState`,
      },
      {
        file: 'src/raft/core/checks.ts',
        find: `assert(hardState.term > before.term || voteKept, 'one vote a term');`,
        replace: '',
      },
    ],
  },
  'commit-of-an-earlier-term': {
    bug: 'an entry of an earlier term is committed by counting (paper figure 8)',
    edits: [
      {
        file: REPLICATION,
        find: 'log.termAt(index) !== core.hardState.term',
        replace: 'log.termAt(index) === null',
      },
    ],
  },
  'no-first-entry': {
    bug: 'a new leader writes no entry of its own and trusts its commit index at once',
    edits: [
      {
        file: ELECTION,
        find: `appendOwn(core, lead, { kind: 'noop', data: NO_DATA });`,
        replace: 'lead.established = true;',
      },
    ],
  },
  'truncate-always': {
    bug: 'every append request cuts the log behind its previous entry, so a late one takes acknowledged entries away',
    edits: [
      {
        file: REPLICATION,
        find: 'const at = entries.findIndex((entry) => !log.holds(entry));',
        replace: 'const at = entries.findIndex((entry) => entry.index > log.commitIndex);',
      },
    ],
  },
  'commit-beyond-the-match': {
    // Ours probes so exactly that the first request that fits also ends every difference; a leader need not.
    bug: `a follower takes the leader's commit index although its own log may differ there, and a leader probes one entry too far back`,
    edits: [
      {
        file: 'src/raft/core/progress.ts',
        find: 'const next = lowerIndex(probed, indexAfter(meeting));',
        replace: 'const next = lowerIndex(probed, higherIndex(meeting, logIndex(1)));',
      },
      {
        file: REPLICATION,
        find: 'log.commitTo(lowerIndex(message.commit, matched))',
        replace: 'log.commitTo(lowerIndex(message.commit, log.lastIndex))',
      },
    ],
  },
  'heartbeat-commit-unclamped': {
    bug: 'a heartbeat names the commit index, whatever its follower is known to hold',
    edits: [
      {
        file: 'src/raft/core/heartbeat.ts',
        find: 'const commit = lowerIndex(peer.match, core.log.commitIndex);',
        replace: 'const commit = core.log.commitIndex;',
      },
    ],
  },
  'own-copy-counts-at-once': {
    bug: 'a leader counts its own entries before its disk has them',
    edits: [
      {
        file: REPLICATION,
        find: 'quorumReached(core, lead, log.durableIndex,',
        replace: 'quorumReached(core, lead, log.lastIndex,',
      },
    ],
  },
  'acknowledged-before-fsync': {
    bug: 'a follower acknowledges entries before its disk has them',
    edits: [
      {
        file: REPLICATION,
        find: `core.out.sendAfterPersist.push({ ...envelope(core, message.from), kind: 'appendAccepted', matched });`,
        replace: `core.out.sendNow.push({ ...envelope(core, message.from), kind: 'appendAccepted', matched });`,
      },
    ],
  },
  'joint-is-the-first-set': {
    bug: 'a joint configuration decides by the majority of one set',
    edits: [
      {
        file: 'src/raft/core/quorum.ts',
        find: 'for (const voters of voterSets) lowest',
        replace: 'for (const voters of voterSets.slice(0, 1)) lowest',
      },
    ],
  },
  'change-before-own-commit': {
    bug: 'members are changed before the leader has committed anything in its term, and without joint consensus',
    edits: [
      {
        file: 'src/raft/core/configuration.ts',
        find: `if (!lead.established) return 'notEstablished';`,
        replace: '',
      },
      {
        file: 'src/raft/core/configuration.ts',
        find: `return isChangePending(core) ? 'changePending' : null;`,
        replace: 'return null;',
      },
      {
        file: 'src/raft/core/membership-change.ts',
        find: 'voterSets: [ascending(voters), currentVoters(current)],',
        replace: 'voterSets: [ascending(voters)],',
      },
    ],
  },
  'read-round-reused': {
    bug: 'answers to a round that began before the read came confirm it',
    edits: [
      {
        file: READS,
        find: 'round: lead.sentRound + 1 });',
        replace: 'round: lead.sentRound });',
      },
    ],
  },
  'lease-of-any-age': {
    bug: 'a leader answers reads by itself, as if its lease never ended',
    edits: [
      {
        file: READS,
        find: 'lead.confirmedRound = quorumReached(core, lead, lead.sentRound, (peer) => peer.readRound);',
        replace: 'lead.confirmedRound = lead.sentRound;',
      },
    ],
  },
  'snapshot-beside-the-log': {
    bug: 'an installed snapshot replaces the state and not the log behind it: a crash mixes two histories',
    edits: [
      {
        file: 'src/raft/snapshot-installer.ts',
        find: 'reset(file.meta, () => this.#swap(file, phase.restore));',
        replace: 'this.#swap(file, phase.restore);',
      },
    ],
  },
  'position-in-its-own-batch': {
    bug: 'the applied index is written before the changes it stands for, in a batch of its own, and no hash tells',
    edits: [
      {
        file: 'src/store/state/assembly.ts',
        find: 'if (equalHashes(this.#state.hash, summary.hash)) return ok(this.#state);',
        replace: 'if (summary.index >= 0) return ok(this.#state);',
      },
      {
        file: 'src/store/level-copy.ts',
        find: `    const batch = this.#parts.database.batch();
    batch.put(META_KEY, encodeMeta(summary));`,
        replace: `    const first = this.#parts.database.batch();
    first.put(META_KEY, encodeMeta(summary));
    yield* completion((done) => first.write(sync, done));
    const batch = this.#parts.database.batch();`,
      },
    ],
  },
  'failed-write-acknowledged': {
    bug: 'a write that failed is taken for done',
    edits: [
      {
        file: 'src/raft/wal/durable-log.ts',
        find: `    if (error !== null) this.#fail(error);
    const closing = this.#closing;
    this.#busy = false;
    done(error);`,
        replace: `    const closing = this.#closing;
    this.#busy = false;
    done(null);`,
      },
    ],
  },
  'torn-tail-kept': {
    bug: 'recovery takes a frame without looking at its checksum',
    edits: [
      {
        file: 'src/raft/wal/format.ts',
        find: `if (!checks) return { kind: 'torn', ordinal, previousChain };`,
        replace: '',
      },
    ],
  },
  'wiped-disk-votes': {
    bug: 'a wiped disk under an old id is listened to',
    edits: [
      {
        file: 'src/raft/core/admission.ts',
        find: `if (bound !== undefined && bound !== incarnation) return 'otherIncarnation';`,
        replace: '',
      },
    ],
  },
  'requests-missing-from-snapshots': {
    bug: 'the table of answered requests is not part of a snapshot',
    edits: [
      {
        file: 'src/store/snapshot-codec.ts',
        find: 'const counts = [stored.count, requests.length];',
        replace: 'const counts = [stored.count, 0];',
      },
      {
        file: 'src/store/snapshot-codec.ts',
        find: 'for (const request of requests) yield pack(requestToFields(request));',
        replace: '',
      },
    ],
  },
  'timer-without-a-second-look': {
    bug: 'a tick counts before the messages that arrived during a stall are read, and late ticks count for all that were missed',
    edits: [
      {
        file: 'src/raft/tick-source.ts',
        find: 'scheduler.afterPoll(() => scheduler.afterPoll(() => this.#fire()));',
        replace: 'void scheduler; this.#fire();',
      },
      {
        file: 'src/raft/tick-source.ts',
        find: '    this.#onTick();',
        replace:
          '    for (let missed = nowMs - this.#dueMs + 2 * this.#tickMs; missed > 0; missed -= this.#tickMs) this.#onTick();',
      },
    ],
  },
  'joint-left-before-commit': {
    bug: 'the joint configuration is left before a majority of both sets holds it',
    edits: [
      {
        file: 'src/raft/core/configuration.ts',
        find: '|| log.membershipIndex > log.commitIndex || !lead.established) return;',
        replace: ') return;',
      },
    ],
  },
};
