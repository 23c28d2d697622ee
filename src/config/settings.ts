// The settings by path, as flags and environment variables spell them.

import { quoted } from '../base/printable.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Place } from './place.ts';

export type SettingValue = string | number | readonly string[];

type TextParser = (text: string) => Result<SettingValue, string>;

const asText: TextParser = (text) => ok(text);

const asNumber: TextParser = (text) => {
  const value = Number(text);
  return text.trim() === '' || Number.isNaN(value)
    ? err(`expected a number, got ${quoted(text)}`)
    : ok(value);
};

const asList: TextParser = (text) => ok(text.split(',').map((item) => item.trim()));

/** How the text of a flag or an environment variable becomes a value, by path. Ranges are the schema's business. */
export const SETTINGS = {
  addr: { parse: asText },
  advertise_addr: { parse: asText },
  'raft.id': { parse: asNumber },
  'raft.data_dir': { parse: asText },
  'raft.peers': { parse: asList },
  'raft.cluster_state': { parse: asText },
  'raft.heartbeat_interval_ms': { parse: asNumber },
  'raft.election_timeout_ms': { parse: asNumber },
  'raft.snapshot_entries': { parse: asNumber },
  'raft.feature_level_max': { parse: asNumber },
  'controller.failover.ping_interval_seconds': { parse: asNumber },
  'controller.failover.max_ping_count': { parse: asNumber },
  'controller.failover.restart_grace_seconds': { parse: asNumber },
  'controller.failover.max_lag': { parse: asNumber },
  'controller.failover.switchover_timeout_ms': { parse: asNumber },
  'controller.failover.cooldown_seconds': { parse: asNumber },
  'controller.failover.min_alive_size': { parse: asNumber },
  'controller.failover.max_failure_ratio': { parse: asNumber },
  'controller.failover.master_lease_ms': { parse: asNumber },
  'metrics.node_series_max': { parse: asNumber },
  'log.level': { parse: asText },
} as const satisfies Record<string, { readonly parse: TextParser }>;

export type SettingPath = keyof typeof SETTINGS;

export interface Override {
  readonly path: SettingPath;
  readonly text: string;
  readonly place: Place;
}

/** One setting as it counts, and who has set it. */
export interface Setting {
  readonly path: SettingPath;
  readonly value: SettingValue;
  readonly source: Place;
}

/** In the order of the schema. */
export const SETTING_PATHS = Object.keys(SETTINGS) as readonly SettingPath[];

const PREFIX = 'KVROCKS_CONTROLLER_';

/** The variable that overrides `path`: `raft.data_dir` is `KVROCKS_CONTROLLER_RAFT_DATA_DIR`. */
export function environmentName(path: SettingPath): string {
  return `${PREFIX}${path.replaceAll('.', '_').toUpperCase()}`;
}

/**
 * Overrides found in the environment. Variables we do not know are left alone: Kubernetes itself sets
 * `KVROCKS_CONTROLLER_PORT` and others for a service of that name.
 */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): readonly Override[] {
  const overrides: Override[] = [];
  for (const path of SETTING_PATHS) {
    const name = environmentName(path);
    const text = environment[name];
    if (text !== undefined && text !== '')
      overrides.push({ path, text, place: { kind: 'environment', variables: [name] } });
  }
  const host = environment[`${PREFIX}HTTP_HOST`] ?? '';
  const port = environment[`${PREFIX}HTTP_PORT`] ?? '';
  if (host !== '' || port !== '') {
    const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    overrides.push({
      path: 'addr',
      text: `${bracketed === '' ? '127.0.0.1' : bracketed}:${port === '' ? '9379' : port}`,
      place: { kind: 'environment', variables: [`${PREFIX}HTTP_HOST`, `${PREFIX}HTTP_PORT`] },
    });
  }
  return overrides;
}
