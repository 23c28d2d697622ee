// What every part needs of a log: an event name and fields. `telemetry/log.ts` writes JSON lines.

/** Field values a log line may carry. Secrets never get here: they have no text form (see topology/secret.ts). */
export type LogFields = Readonly<
  Record<string, string | number | boolean | null | undefined | readonly string[]>
>;

/** One line per decision, never per tick. `event` is a stable dotted name such as `failover.started`. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}
