// The configuration as it counts now: read again on request, and a log level that lasts for a while.

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { err, ok, type Result } from '../base/result.ts';
import { adopt, changeText, type Change, isLive } from '../config/compare.ts';
import type { Config } from '../config/config.ts';
import type { Loaded } from '../config/load.ts';
import { type ConfigProblem, placeText, problemText } from '../config/place.ts';
import type { ReloadSample } from '../telemetry/metrics.ts';
import type {
  Configuration,
  ConfigurationProblem,
  ConfigurationView,
  LogLevelView,
  Reloaded,
} from '../api/ports.ts';

type LogLevel = Config['logLevel'];

export interface LiveConfigPorts {
  /** Everything the process was started with, read again; in bounded time. */
  readonly read: () => Promise<Result<Loaded, readonly ConfigProblem[]>>;
  readonly clock: Clock;
  readonly logger: Logger & { setLevel(level: LogLevel): void };
}

/** A level that lasts until `timer` fires. */
interface Passing {
  readonly level: LogLevel;
  readonly untilSeconds: number;
  readonly timer: Timer;
}

/** Owns what runs. One reload at a time. */
export class LiveConfig implements Configuration {
  readonly #ports: LiveConfigPorts;
  readonly #listeners: ((config: Config) => void)[] = [];
  #running: Loaded;
  #needsRestart: readonly Change[] = [];
  #problems: readonly ConfigurationProblem[] = [];
  #readAtSeconds: number;
  #passing: Passing | null = null;
  #underWay: Promise<unknown> = Promise.resolve();
  #next: ReturnType<Configuration['reload']> | null = null;

  constructor(loaded: Loaded, ports: LiveConfigPorts) {
    this.#ports = ports;
    this.#running = loaded;
    this.#readAtSeconds = this.#nowSeconds();
  }

  get config(): Config {
    return this.#running.config;
  }

  get sample(): ReloadSample {
    return { isLastGood: this.#problems.length === 0, readAtSeconds: this.#readAtSeconds };
  }

  /** Calls `listener` after every change of what counts; for parts that live as long as the process. */
  onChange(listener: (config: Config) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Reads everything again and applies what can be applied; where anything is wrong nothing changes. Who asks while a reload is under way gets the
   * next one, together with everybody else: the file may have changed since it was read. `by` is for the log.
   */
  reload(by: string): ReturnType<Configuration['reload']> {
    this.#next ??= this.#underWay.then(() => {
      this.#next = null;
      const reload = this.#reload(by);
      this.#underWay = reload;
      return reload;
    });
    return this.#next;
  }

  /** Another level than the configured one, for so long; the configured one ends that. */
  setLogLevel(level: LogLevel, seconds: number): LogLevelView {
    const { logger, clock } = this.#ports;
    this.#passing?.timer.cancel();
    this.#passing = null;
    if (level === this.config.logLevel) {
      logger.setLevel(level);
      logger.warn('log.level_restored', { to: level });
      return this.#logLevel();
    }
    // Before the change: of a quieter log the last line says why.
    logger.warn('log.level_changed', { from: this.config.logLevel, to: level, seconds });
    logger.setLevel(level);
    const timer = clock.setTimer(seconds * 1000, () => {
      this.#passing = null;
      logger.setLevel(this.config.logLevel);
      logger.warn('log.level_restored', { to: this.config.logLevel });
    });
    this.#passing = { level, untilSeconds: this.#nowSeconds() + seconds, timer };
    return this.#logLevel();
  }

  /** For people. No setting holds a secret, and values of sections that mean nothing here are not kept. */
  view(): ConfigurationView {
    return {
      settings: this.#running.settings.map(({ path, value, source }) => ({
        path,
        value,
        source: { kind: source.kind, text: placeText(source) },
        isLive: isLive(path),
      })),
      withoutEffect: this.config.withoutEffect,
      needsRestart: this.#needsRestart,
      logLevel: this.#logLevel(),
      reload: {
        isGood: this.#problems.length === 0,
        readAtSeconds: this.#readAtSeconds,
        problems: this.#problems,
      },
    };
  }

  async #reload(by: string): Promise<Result<Reloaded, readonly ConfigurationProblem[]>> {
    const read = await this.#ports.read();
    if (!read.ok) return this.#failed(by, read.error);
    const adopted = adopt(this.#running, read.value);
    if (!adopted.ok) {
      const { path, message } = adopted.error;
      const place = read.value.settings.find((setting) => setting.path === path)?.source ?? {
        kind: 'default',
      };
      return this.#failed(by, [
        { place, path, message: `beside what counts until the next start, ${message}` },
      ]);
    }
    const { running, applied, needsRestart } = adopted.value;
    this.#running = running;
    this.#needsRestart = needsRestart;
    this.#problems = [];
    this.#readAtSeconds = this.#nowSeconds();
    if (this.#passing === null) this.#ports.logger.setLevel(this.config.logLevel);
    for (const listener of this.#listeners) listener(this.config);
    const fields = { by, applied: applied.map(changeText), needsRestart: needsRestart.map(changeText) };
    if (needsRestart.length === 0) this.#ports.logger.info('config.reloaded', fields);
    else this.#ports.logger.warn('config.reloaded', fields);
    return ok({ applied, needsRestart });
  }

  #failed(by: string, found: readonly ConfigProblem[]): Result<never, readonly ConfigurationProblem[]> {
    const problems = found.map(shown);
    this.#problems = problems;
    this.#ports.logger.error('config.reload_failed', { by, problems: problems.map(({ text }) => text) });
    return err(problems);
  }

  #logLevel(): LogLevelView {
    const { level, untilSeconds } = this.#passing ?? { level: this.config.logLevel, untilSeconds: null };
    return { level, untilSeconds, configured: this.config.logLevel };
  }

  #nowSeconds(): number {
    return Math.floor(this.#ports.clock.wallMs() / 1000);
  }
}

function shown(problem: ConfigProblem): ConfigurationProblem {
  const { place, path, message } = problem;
  const isOfFile = place.kind === 'line' || place.kind === 'file';
  return {
    text: problemText(problem),
    file: isOfFile ? place.file : null,
    line: place.kind === 'line' ? place.line : null,
    column: place.kind === 'line' ? place.column : null,
    path,
    message,
  };
}
