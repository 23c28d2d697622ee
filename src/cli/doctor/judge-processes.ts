// What each process is run with: its settings, disk, release and state; and the last backup.

import type { SettingPath } from '../../config/settings.ts';
import { spanText } from '../commands/span-text.ts';
import { answering, eachMember, type Finding, GROUP, type Judgement, unseen } from './judgement.ts';
import { quantileOf, valueOf } from './metrics-text.ts';
import type { Sights } from './sights.ts';

const SYNC_SECONDS_WARN = 0.1;
const SYNC_SECONDS_FAIL = 0.5;
/** A day and an hour or two for a daily backup, as the alert has it. */
const BACKUP_SECONDS_MAX = 26 * 3600;

/**
 * Which settings members have in common. `own`: each has its own. `alike`: whoever leads acts by its own, so that a change of the lead changes
 * how the group behaves. `equal`: it is wrong otherwise.
 */
const SHARED: Readonly<Record<string, 'own' | 'alike' | 'equal'>> = {
  addr: 'own',
  advertise_addr: 'own',
  'raft.id': 'own',
  'raft.data_dir': 'own',
  // Counts at the first start of a member only, so that those that joined later have others.
  'raft.peers': 'own',
  'raft.cluster_state': 'own',
  'raft.heartbeat_interval_ms': 'alike',
  'raft.election_timeout_ms': 'alike',
  'raft.snapshot_entries': 'alike',
  'raft.feature_level_max': 'alike',
  'controller.failover.ping_interval_seconds': 'alike',
  'controller.failover.max_ping_count': 'alike',
  'controller.failover.restart_grace_seconds': 'alike',
  'controller.failover.max_lag': 'alike',
  'controller.failover.switchover_timeout_ms': 'alike',
  'controller.failover.cooldown_seconds': 'alike',
  'controller.failover.min_alive_size': 'alike',
  'controller.failover.max_failure_ratio': 'alike',
  'controller.failover.master_lease_ms': 'equal',
  'metrics.node_series_max': 'alike',
  'log.level': 'own',
} satisfies Record<SettingPath, 'own' | 'alike' | 'equal'>;

export function judgeSettings(sights: Sights): Judgement {
  const told = answering(sights).flatMap(({ id, config }) =>
    config.ok ? [{ id, settings: config.value.settings }] : [],
  );
  if (told.length === 0) return unseen(GROUP, 'no controller has told its settings', 'see members.answers');
  const values = told.flatMap(({ id, settings }) =>
    settings.map(({ path, value }) => ({ id, path, text: JSON.stringify(value) })),
  );
  const findings = [...Map.groupBy(values, ({ path }) => path)].flatMap(
    ([path, each]): readonly Finding[] => {
      const kind = SHARED[path] ?? 'own';
      if (kind === 'own' || new Set(each.map(({ text }) => text)).size === 1) return [];
      return [
        {
          verdict: kind === 'equal' ? 'fail' : 'warn',
          subject: path,
          why: each.map(({ id, text }) => `controller ${id} has ${text}`).join(', '),
          remedy:
            'give all the same, then kvctl reload; what that names as needing it: restart them, one by one',
        },
      ];
    },
  );
  return { findings, well: `${told.length} of ${sights.members.length} controllers have the same settings` };
}

export function judgeRestarts(sights: Sights): Judgement {
  return eachMember(sights, {
    part: ({ config }) => config,
    judge: ({ member, needs_restart: waiting }, subject) =>
      waiting.length === 0
        ? []
        : [
            {
              verdict: 'warn',
              subject,
              why: `these wait for a restart: ${waiting.map(({ path }) => path).join(', ')}`,
              remedy: `restart it when all others are ready; kvctl config --member ${member} has the values`,
            },
          ],
    well: 'wait for no restart',
  });
}

export function judgeReloads(sights: Sights): Judgement {
  return eachMember(sights, {
    part: ({ config }) => config,
    judge: ({ member, last_reload: last }, subject) =>
      last.succeeded
        ? []
        : [
            {
              verdict: 'fail',
              subject,
              why: `its last reload was refused, and it would not start again: what counts was read at ${last.read_at}`,
              remedy: `mend its file; kvctl reload --member ${member} names what is wrong with it`,
            },
          ],
    well: 'have taken their configuration as it was read last',
  });
}

export function judgeSyncs(sights: Sights): Judgement {
  return eachMember(sights, {
    part: ({ metrics }) => metrics,
    judge: (samples, subject) => {
      const p99 = quantileOf(samples, 'raft_wal_sync_seconds', 0.99);
      if (p99 === null || p99 <= SYNC_SECONDS_WARN) return [];
      return [
        {
          verdict: p99 > SYNC_SECONDS_FAIL ? 'fail' : 'warn',
          subject,
          why: `one of a hundred writes to its log takes longer than ${spanText(p99 * 1000)}, since it began`,
          remedy: 'a disk that nothing else keeps busy; raft.election_timeout_ms well above that',
        },
      ];
    },
    well: `write 99 of 100 times to their log within ${SYNC_SECONDS_WARN * 1000} ms`,
  });
}

export function judgeSpace(sights: Sights): Judgement {
  return eachMember(sights, {
    part: ({ metrics }) => metrics,
    judge: (samples, subject) =>
      valueOf(samples, 'raft_disk_space_low') === 1
        ? [
            {
              verdict: 'fail',
              subject,
              why: 'the disk of its log is nearly full: it refuses commands',
              remedy: 'make room on the volume of raft.data_dir, or enlarge it; delete nothing inside',
            },
          ]
        : [],
    well: 'have room on the disk of their log',
  });
}

export function judgeStores(sights: Sights): Judgement {
  return eachMember(sights, {
    part: ({ metrics }) => metrics,
    judge: (samples, subject) =>
      (valueOf(samples, 'store_hash_mismatch_total') ?? 0) > 0
        ? [
            {
              verdict: 'fail',
              subject,
              why: 'while it led, the state of another controller was not the same as its own',
              remedy: 'docs/runbooks/KvcStateDiverged.md; keep all data directories until it is understood',
            },
          ]
        : [],
    well: 'have seen no other state than their own',
  });
}

export function judgeLevel({ upgrade }: Sights): Judgement {
  if (!upgrade.ok) return unseen(GROUP, upgrade.error, 'kvctl upgrade status');
  const { level, highest, held_by: heldBy, next } = upgrade.value;
  if (level >= highest && heldBy === null)
    return {
      findings: [],
      well: `the group works at feature level ${level}, the highest of its controllers`,
    };
  const why = `the group works at feature level ${level}, below ${highest}${heldBy === null ? '' : `: ${heldBy}`}`;
  return { findings: [{ verdict: 'warn', subject: GROUP, why, remedy: next }], well: '' };
}

export function judgeReleases({ upgrade }: Sights): Judgement {
  if (!upgrade.ok) return unseen(GROUP, upgrade.error, 'kvctl upgrade status');
  const reached = upgrade.value.members.filter((member) => member.reached);
  const releases = new Set(reached.map(({ release }) => release ?? 'an earlier one'));
  if (releases.size <= 1)
    return { findings: [], well: `${reached.length} controllers run ${[...releases].join('')}` };
  const why = reached
    .map(({ id, release }) => `controller ${id} runs ${release ?? 'an earlier one'}`)
    .join(', ');
  return { findings: [{ verdict: 'warn', subject: GROUP, why, remedy: upgrade.value.next }], well: '' };
}

/** Seconds since the last backup that a member which answers has sent; null where none remembers one. */
export function backupAge(sights: Sights): number | null {
  const times = answering(sights).flatMap(({ metrics }) => {
    const at = metrics.ok ? valueOf(metrics.value, 'backup_success_timestamp_seconds') : null;
    return at === null ? [] : [at];
  });
  return times.length === 0 ? null : Math.max(0, sights.nowSeconds - Math.max(...times));
}

export const BACKUP_REMEDY =
  'kvctl backup save FILE && kvctl backup verify FILE; on a schedule: docs/operations.md';

export function backupText(age: number | null): string {
  return age === null
    ? 'no controller that answers has sent a backup since it began; what was sent before is not remembered'
    : `the last backup was downloaded ${spanText(age * 1000)} ago`;
}

export function judgeBackup(sights: Sights): Judgement {
  const age = backupAge(sights);
  const why = backupText(age);
  if (age !== null && age <= BACKUP_SECONDS_MAX) return { findings: [], well: why };
  return { findings: [{ verdict: 'warn', subject: GROUP, why, remedy: BACKUP_REMEDY }], well: '' };
}
