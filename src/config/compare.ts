// What differs between two configurations, and what of it counts without a restart.

import { ok, type Result } from '../base/result.ts';
import type { Contradiction } from './config.ts';
import { configOf, type Loaded } from './load.ts';
import { describeSettings } from './schema.ts';
import type { Setting, SettingPath, SettingValue } from './settings.ts';

export interface Change {
  readonly path: SettingPath;
  readonly from: SettingValue;
  readonly to: SettingValue;
  /** It counts as soon as it is read. */
  readonly isLive: boolean;
}

type Valued = Pick<Setting, 'path' | 'value'>;

/** What a configuration that was read again does to the one that runs. */
export interface Adoption {
  /** What runs from now on. */
  readonly running: Loaded;
  readonly applied: readonly Change[];
  /** What differs still, and will until the next start. */
  readonly needsRestart: readonly Change[];
}

const DESCRIBED = describeSettings();

export function isLive(path: SettingPath): boolean {
  return DESCRIBED.get(path)?.isLive ?? false;
}

/** The settings that have another value in `next`, in the order of the schema. */
export function compareSettings(before: readonly Valued[], next: readonly Valued[]): readonly Change[] {
  const values = new Map(next.map(({ path, value }) => [path, value]));
  return before.flatMap(({ path, value: from }) => {
    const to = values.get(path);
    return to === undefined || isSame(from, to) ? [] : [{ path, from, to, isLive: isLive(path) }];
  });
}

/**
 * The running configuration with everything of `next` that counts at once. The rest keeps its value and the place that it came from; a setting
 * whose value is the same has the place where it stands now. Refused where old and new settings contradict each other.
 */
export function adopt(running: Loaded, next: Loaded): Result<Adoption, Contradiction> {
  const changes = compareSettings(running.settings, next.settings);
  const kept = new Set(changes.filter((change) => !change.isLive).map(({ path }) => path));
  const before = new Map(running.settings.map((setting) => [setting.path, setting]));
  const settings = next.settings.map((setting) =>
    kept.has(setting.path) ? (before.get(setting.path) ?? setting) : setting,
  );
  const config = configOf(settings);
  if (!config.ok) return config;
  return ok({
    running: { config: { ...config.value, withoutEffect: next.config.withoutEffect }, settings },
    applied: changes.filter((change) => change.isLive),
    needsRestart: changes.filter((change) => !change.isLive),
  });
}

/** `path: from -> to`, for people. */
export function changeText({ path, from, to }: Pick<Change, 'path' | 'from' | 'to'>): string {
  return `${path}: ${valueText(from)} -> ${valueText(to)}`;
}

function valueText(value: SettingValue): string {
  return JSON.stringify(value);
}

function isSame(left: SettingValue, right: SettingValue): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
