// The source's side of a slot migration: one job at a time, forgotten at restart (facts section 5).

import { err, ok, type Result } from '../../src/base/result.ts';
import type { Config } from './config.ts';
import { decodeWrite, type Keyspace } from './keyspace.ts';
import { MigrationLink } from './migration-link.ts';
import { contains, overlaps, rangeText, sameRange, slotOfKey, type SlotRange } from './slots.ts';
import { sleep, turn } from './timing.ts';
import type { TopologyState } from './topology-state.ts';
import type { ClusterNode } from './topology-text.ts';

export type MigrationState = 'start' | 'success' | 'fail';

/** The last job, as CLUSTER INFO shows it until the next one or a restart. */
export interface MigrationStatus {
  readonly range: SlotRange;
  readonly destination: string;
  readonly state: MigrationState;
}

type Step = Result<null, string>;
type Command = readonly string[];

const LOG_LINES_AT_ONCE = 1_000;
/** What a job may make up for when it was held up, for example by timers that fire late. */
const CREDIT_MS_MAX = 100;
const IMPORT_START = '0';
const IMPORT_SUCCESS = '1';
const IMPORT_FAILED = '2';

export class SlotMigration {
  readonly #config: Config;
  readonly #keyspace: Keyspace;
  readonly #topology: TopologyState;
  readonly #log: (line: string) => void;
  #job: Job | null = null;
  #status: MigrationStatus | null = null;
  /** Writes of these slots get TRYAGAIN; stays after a success until another job takes its place (facts section 5.4). */
  #forbidden: SlotRange | null = null;

  constructor(
    parts: { readonly config: Config; readonly keyspace: Keyspace; readonly topology: TopologyState },
    log: (line: string) => void,
  ) {
    this.#config = parts.config;
    this.#keyspace = parts.keyspace;
    this.#topology = parts.topology;
    this.#log = log;
  }

  get status(): MigrationStatus | null {
    return this.#status;
  }

  /** The slots of the running job, for the mark in CLUSTER NODES. */
  get running(): MigrationStatus | null {
    return this.#job === null ? null : this.#status;
  }

  isWriteForbidden(slot: number): boolean {
    return contains(this.#forbidden, slot);
  }

  /** Exactly the slots that were given away come back: writes to them are taken again, and the job is shown no more (slot_migrate.cc, GetMigrationInfo). */
  release(range: SlotRange): void {
    if (this.#forbidden === null || !sameRange(this.#forbidden, range)) return;
    this.#forbidden = null;
    this.#status = null;
  }

  /** FLUSHDB and FLUSHALL, and a full sync, end the job (facts section 5.5). */
  cancel(): void {
    if (this.#job !== null) this.#job.cancelled = true;
  }

  /** Checks in the server's order, then starts the job; its end is the reply of SYNC. */
  begin(range: SlotRange, destination: string): Result<Promise<Step>, string> {
    const target = this.#topology.nodes.get(destination);
    if (target === undefined || target === null) return err("Can't find the destination node id");
    if (!this.#topology.owns(range)) return err("Can't migrate slot which doesn't belong to me");
    if (this.#topology.myself?.role !== 'master') return err("Slave can't migrate slot");
    if (target.role !== 'master') return err("Can't migrate slot to a slave");
    if (target === this.#topology.myself) return err("Can't migrate slot to myself");
    if (this.#job !== null) return err('There is already a migrating job');
    if (overlaps(this.#forbidden, range) || overlaps(this.#migratedSpan(), range)) {
      return err("Can't migrate slot which has been migrated");
    }
    const job = new Job(range, { config: this.#config, keyspace: this.#keyspace });
    this.#job = job;
    this.#status = { range, destination, state: 'start' };
    const outcome = Promise.withResolvers<Step>();
    void this.#run(job, target, outcome.resolve);
    return ok(outcome.promise);
  }

  /** The range from the lowest to the highest migrated slot that no push has recorded (facts section 5.1). */
  #migratedSpan(): SlotRange | null {
    const slots = [...this.#topology.migrated.keys()];
    return slots.length === 0 ? null : { start: Math.min(...slots), end: Math.max(...slots) };
  }

  /** SYNC is answered before a failed job has told its target; the state changes after that. */
  async #run(job: Job, target: ClusterNode, answer: (step: Step) => void): Promise<void> {
    this.#log(`[migrate] Start migrating slot(s) ${rangeText(job.range)} to ${target.host}:${target.port}`);
    const opened = await MigrationLink.open(target.host, target.port);
    const sent = opened.ok ? await this.#carry(job, opened.value) : opened;
    if (sent.ok) {
      this.#succeed(job, target);
    } else {
      this.#log(`[migrate] Failed to migrate slot(s) ${rangeText(job.range)}: ${sent.error}`);
      answer(sent);
      if (opened.ok) await job.setImportState(opened.value, IMPORT_FAILED);
      if (job.forbade) this.#forbidden = null;
      this.#setState('fail');
    }
    if (opened.ok) opened.value.close();
    answer(sent.ok ? ok(null) : sent);
    // The job is cleaned up a moment after its state is seen: a MIGRATE in between is refused (facts section 5.2).
    await turn();
    this.#job = null;
  }

  async #carry(job: Job, link: MigrationLink): Promise<Step> {
    const started = await job.start(link);
    if (!started.ok) return started;
    const snapshot = await job.sendSnapshot(link);
    if (!snapshot.ok) return snapshot;
    const caughtUp = await job.catchUp(link);
    if (!caughtUp.ok) return caughtUp;
    job.forbade = true;
    this.#forbidden = job.range;
    const rest = await job.sendLog(link);
    return rest.ok ? job.setImportState(link, IMPORT_SUCCESS) : rest;
  }

  #succeed(job: Job, target: ClusterNode): void {
    for (let slot = job.range.start; slot <= job.range.end; slot += 1) {
      this.#topology.migrated.set(slot, `${target.host}:${target.port}`);
    }
    this.#setState('success');
  }

  #setState(state: MigrationState): void {
    if (this.#status !== null) this.#status = { ...this.#status, state };
  }
}

/** The sending part of one job. */
class Job {
  readonly range: SlotRange;
  readonly #config: Config;
  readonly #keyspace: Keyspace;
  /** The next log line to look at; the snapshot covers everything before it. */
  #nextSequence = 0;
  /** When the next commands may leave, by `migrate-speed`. */
  #dueMs = performance.now();
  cancelled = false;
  forbade = false;

  constructor(range: SlotRange, parts: { readonly config: Config; readonly keyspace: Keyspace }) {
    this.range = range;
    this.#config = parts.config;
    this.#keyspace = parts.keyspace;
  }

  /** AUTH with the source's own requirepass (facts section 4), then CLUSTER IMPORT. */
  async start(link: MigrationLink): Promise<Step> {
    const password = this.#config.text('requirepass');
    if (password !== '') {
      const answers = await link.ask([['AUTH', password]]);
      const refusal = refusalIn(answers);
      if (refusal !== null) {
        return err(
          `failed to authenticate on destination node: failed to check the response of AUTH command: ${refusal}`,
        );
      }
    }
    return this.setImportState(link, IMPORT_START);
  }

  async setImportState(link: MigrationLink, state: string): Promise<Step> {
    const answers = await link.ask([['CLUSTER', 'IMPORT', rangeText(this.range), state]]);
    const refusal = refusalIn(answers);
    if (refusal === null) return ok(null);
    const what = refusal.startsWith('failed to send')
      ? ''
      : 'failed to check the response from the destination node: ';
    return err(`failed to set import status on destination node: ${what}${refusal}`);
  }

  async sendSnapshot(link: MigrationLink): Promise<Step> {
    this.#nextSequence = this.#keyspace.sequence + 1;
    const commands: Command[] = [];
    for (let slot = this.range.start; slot <= this.range.end; slot += 1) {
      for (const [key, value] of this.#keyspace.entriesOfSlot(slot)) commands.push(['SET', key, value]);
    }
    return this.#send(link, commands);
  }

  /** Sends what was written meanwhile until less than `migrate-sequence-gap` is left. */
  async catchUp(link: MigrationLink): Promise<Step> {
    while (this.#keyspace.sequence + 1 - this.#nextSequence > this.#config.count('migrate-sequence-gap')) {
      const sent = await this.sendLog(link);
      if (!sent.ok) return sent;
    }
    return ok(null);
  }

  /** Sends the writes of the slots up to the present end of the log. */
  async sendLog(link: MigrationLink): Promise<Step> {
    const end = this.#keyspace.sequence;
    while (this.#nextSequence <= end) {
      const countMax = Math.min(LOG_LINES_AT_ONCE, end + 1 - this.#nextSequence);
      const lines = this.#keyspace.linesFrom(this.#nextSequence, countMax);
      if (lines === null) return err('failed to sync from WAL: the log does not reach back');
      const sent = await this.#send(link, this.#commandsOf(lines));
      if (!sent.ok) return sent;
      this.#nextSequence += lines.length;
    }
    return ok(null);
  }

  #commandsOf(lines: readonly string[]): readonly Command[] {
    const commands: Command[] = [];
    for (const line of lines) {
      const write = decodeWrite(line);
      if (write.kind !== 'set' && write.kind !== 'delete') continue;
      if (!contains(this.range, slotOfKey(write.key))) continue;
      commands.push(write.kind === 'set' ? ['SET', write.key, write.value] : ['DEL', write.key]);
    }
    return commands;
  }

  async #send(link: MigrationLink, commands: readonly Command[]): Promise<Step> {
    const raw = this.#config.text('migrate-type') === 'raw-key-value';
    let index = 0;
    while (index < commands.length) {
      if (this.cancelled) return err('key migration stopped due to a task cancellation');
      const countMax = raw ? 256 : Math.max(1, this.#config.count('migrate-pipeline-size'));
      const batch = commands.slice(index, index + countMax);
      await this.#pace(batch, raw);
      // The server's raw type writes past the slot check, which is why a push does not stop it (facts section 5.4).
      const answers = await link.ask(raw ? batch.map((command) => ['_APPLY', ...command]) : batch);
      const refusal = refusalIn(answers);
      if (refusal !== null) return err(sendFailure(batch[0]?.[1] ?? '', refusal));
      index += batch.length;
    }
    return this.cancelled ? err('key migration stopped due to a task cancellation') : ok(null);
  }

  /** Waits so that no more than `migrate-speed` keys (or `migrate-batch-rate-limit-mb`) leave in a second; 0 is no limit. */
  async #pace(batch: readonly Command[], raw: boolean): Promise<void> {
    const limit = raw
      ? this.#config.count('migrate-batch-rate-limit-mb') * 1024 * 1024
      : this.#config.count('migrate-speed');
    const now = performance.now();
    if (limit <= 0 || this.#dueMs < now - CREDIT_MS_MAX) this.#dueMs = now;
    if (limit <= 0) return;
    const cost = raw ? batch.reduce((bytes, command) => bytes + command.join(' ').length, 0) : batch.length;
    this.#dueMs += (cost * 1_000) / limit;
    if (this.#dueMs > now + 1) await sleep(this.#dueMs - now);
  }
}

function sendFailure(key: string, refusal: string): string {
  return `failed to migrate a key ${key}: failed to migrate simple key: failed to send commands to restore a key: wrong response from the destination node: ${refusal}`;
}

/** The first answer that is an error, as the server words it; null when all are fine. */
function refusalIn(answers: Result<readonly string[], string>): string | null {
  if (!answers.ok) return answers.error;
  const line = answers.value.find((answer) => answer.startsWith('-'));
  return line === undefined ? null : `got invalid response of length ${line.length}: ${line}`;
}
