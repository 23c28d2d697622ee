// The replica's side of replication: one "thread" that connects, syncs and applies, and that stops only when it wakes.

import { connect, type Socket } from 'node:net';

import type { Config } from './config.ts';
import type { Faults } from './faults.ts';
import type { Keyspace } from './keyspace.ts';
import { PING } from './replication-feed.ts';
import { createLinkParser, encodeCommand, type LinkMessage } from './resp.ts';
import { sleep, startDeadline, TIMING } from './timing.ts';

export interface MasterAddress {
  readonly host: string;
  readonly port: number;
}

/** As ROLE names them. */
export type LinkState = 'connecting' | 'sync' | 'connected';

/** How one connection to the master ended, which decides when the next is tried. */
type LinkEnd = 'again' | 'lost' | 'refused';

/** What the link needs of its node. */
export interface ReplicaHost {
  readonly config: Config;
  readonly keyspace: Keyspace;
  readonly faults: Faults;
  /** A full sync replaces the data: no command is served, own replicas are cut off, a migration is cancelled. */
  restore(work: () => Promise<void>): Promise<void>;
  /** `slave-empty-db-before-fullsync yes`: the data goes before the new is fetched. */
  emptyBeforeSync(): void;
  /** Such a sync failed. */
  loseDatabase(): void;
  /** Ends the process when there is no database. */
  needDatabase(what: string): void;
  log(line: string): void;
}

type Step = 'auth' | 'db-name' | 'replconf' | 'psync' | 'stream' | 'snapshot';

export class ReplicaLink {
  readonly master: MasterAddress;
  readonly #host: ReplicaHost;
  readonly #startedAtMs = performance.now();
  readonly #running: Promise<void>;
  #state: LinkState = 'connecting';
  #stopping = false;
  #stopTick: NodeJS.Timeout | null = null;
  #socket: Socket | null = null;
  #conversation: Conversation | null = null;
  #lastIoSeconds = 0;
  fetching = false;

  constructor(master: MasterAddress, host: ReplicaHost) {
    this.master = master;
    this.#host = host;
    this.#running = this.#run();
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Seconds since the master was last heard; the Unix time when it never was (facts section 3.3). */
  get lastIoSecondsAgo(): number {
    return Math.floor(Date.now() / 1000) - this.#lastIoSeconds;
  }

  /**
   * Joins the thread: at its next tick while it is connected, at the end of its sleep while it waits for the next
   * attempt - up to 10 s (facts sections 3.6 and 12).
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#stopAtNextTick();
    await this.#running;
    this.#state = 'connecting';
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const end = await this.#connectOnce();
      this.#state = 'connecting';
      this.fetching = false;
      if (end === 'again' || this.#stopping) continue;
      await sleep(end === 'refused' ? TIMING.reconnectAfterRefusal : TIMING.reconnect);
      if (this.#stopping) await sleep(TIMING.stopAfterSleep);
    }
    if (this.#stopTick !== null) clearTimeout(this.#stopTick);
  }

  #stopAtNextTick(): void {
    if (this.#socket === null || this.#socket.connecting || this.#stopTick !== null) return;
    const sinceTick = (performance.now() - this.#startedAtMs) % TIMING.threadTick;
    this.#stopTick = setTimeout(() => this.#socket?.destroy(), TIMING.threadTick - sinceTick);
  }

  async #connectOnce(): Promise<LinkEnd> {
    const { host, port } = this.master;
    if (this.#host.faults.network.closed) {
      await sleep(TIMING.connect);
      return 'again';
    }
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    const cancelDeadline = startDeadline(TIMING.connect, () => socket.destroy());
    const conversation = new Conversation(this, this.#host, socket);
    this.#conversation = conversation;
    return new Promise((resolve) => {
      socket.on('connect', () => {
        cancelDeadline();
        if (this.#stopping) this.#stopAtNextTick();
        conversation.begin();
      });
      socket.on('data', (chunk) => {
        this.#lastIoSeconds = Math.floor(Date.now() / 1000);
        conversation.receive(chunk);
      });
      socket.on('error', (cause) => this.#host.log(`replication link: ${cause.message}`));
      socket.on('close', () => {
        cancelDeadline();
        this.#socket = null;
        void conversation.finished.then(() => {
          conversation.close();
          resolve(conversation.end);
        });
      });
    });
  }

  /** Stops reading what the master sends, without closing anything, as when packets are dropped (facts section 8). */
  setCut(cut: boolean): void {
    if (cut) this.#socket?.pause();
    else this.#conversation?.readOn();
  }

  setState(state: LinkState): void {
    this.#state = state;
  }
}

/** The exchange on one connection: AUTH, _db_name, REPLCONF, PSYNC, then the stream or a full sync. */
class Conversation {
  readonly #link: ReplicaLink;
  readonly #host: ReplicaHost;
  readonly #socket: Socket;
  readonly #parse: (chunk: Buffer) => void;
  #step: Step = 'db-name';
  /** Lines that the disk has not taken yet; the socket is not read meanwhile. */
  readonly #backlog: string[] = [];
  /** The old data is gone and the new is not here. */
  #isEmptied = false;
  end: LinkEnd = 'lost';
  readonly #gone = Promise.withResolvers<void>();
  /** Resolves at once, or when a full sync that is under way has been restored. */
  finished: Promise<void> = Promise.resolve();

  constructor(link: ReplicaLink, host: ReplicaHost, socket: Socket) {
    this.#link = link;
    this.#host = host;
    this.#socket = socket;
    socket.once('close', () => this.#gone.resolve());
    this.#parse = createLinkParser(
      (message) => this.#handle(message),
      () => socket.destroy(),
    );
  }

  begin(): void {
    const password = this.#host.config.text('masterauth');
    if (password === '') this.#ask('db-name', ['_db_name']);
    else this.#ask('auth', ['AUTH', password]);
  }

  /** Applies what arrived; the data is on disk before the next chunk is read. */
  receive(chunk: Buffer): void {
    this.#parse(chunk);
    this.#host.keyspace.flush();
  }

  #ask(step: Step, command: readonly string[]): void {
    this.#step = step;
    this.#socket.write(encodeCommand(command), 'latin1');
  }

  #handle(message: LinkMessage): void {
    if (this.#socket.destroyed) return;
    if (message.kind === 'error') {
      this.#handleError(message.text);
      return;
    }
    switch (this.#step) {
      case 'auth':
        this.#ask('db-name', ['_db_name']);
        return;
      case 'db-name':
        this.#ask('replconf', ['REPLCONF', 'listening-port', this.#host.config.text('port')]);
        return;
      case 'replconf':
        this.#host.needDatabase('PSYNC');
        this.#ask('psync', ['PSYNC', String(this.#host.keyspace.sequence + 1)]);
        return;
      case 'psync':
        this.#step = 'stream';
        this.#link.setState('connected');
        return;
      case 'stream':
        this.#apply(message.text);
        return;
      case 'snapshot':
        this.finished = this.#restore(message.text);
    }
  }

  #handleError(text: string): void {
    this.#host.log(`replication link: ${this.#step}: ${text}`);
    if (this.#step === 'psync') {
      this.#link.setState('sync');
      this.#link.fetching = true;
      if (this.#host.config.flag('slave-empty-db-before-fullsync')) {
        this.#isEmptied = true;
        this.#host.emptyBeforeSync();
      }
      this.#ask('snapshot', ['_fetch_snapshot']);
      return;
    }
    this.end = 'refused';
    this.#socket.destroy();
  }

  /** `<sequence number of the first line>\n<line>\n<line>...`: a gap means that this is no continuation. */
  #apply(payload: string): void {
    if (payload === PING) return;
    const [first, ...lines] = payload.split('\n');
    if (Number(first) !== this.#host.keyspace.sequence + this.#backlog.length + 1) {
      this.#host.log(`replication link: got sequence ${first}, have ${this.#host.keyspace.sequence}`);
      this.#socket.destroy();
      return;
    }
    if (this.#host.faults.disk.isOk && this.#backlog.length === 0) {
      for (const line of lines) this.#host.keyspace.applyLine(line);
      return;
    }
    const isDraining = this.#backlog.length > 0;
    this.#backlog.push(...lines);
    if (!isDraining) void this.#drain();
  }

  /** The thread hangs in its write: nothing is read and the link stays up; a master that moves on leaves it behind. */
  async #drain(): Promise<void> {
    this.#socket.pause();
    while (this.#backlog.length > 0) {
      const room = await this.#host.faults.disk.room();
      if (this.#socket.destroyed) return;
      for (const line of this.#backlog.splice(0, Math.min(room, this.#backlog.length))) {
        this.#host.keyspace.applyLine(line);
      }
      this.#host.keyspace.flush();
    }
    this.readOn();
  }

  /** Reads what the master sends, unless packets are dropped or the disk has not taken yet what came before. */
  readOn(): void {
    if (!this.#host.faults.network.closed && this.#backlog.length === 0) this.#socket.resume();
  }

  /** The connection is gone and nothing is under way any more. */
  close(): void {
    if (!this.#isEmptied) return;
    this.#isEmptied = false;
    this.#host.loseDatabase();
  }

  async #restore(snapshot: string): Promise<void> {
    this.end = 'again';
    const lines = snapshot.split('\n');
    await sleep(TIMING.fullSyncFetch);
    await Promise.race([this.#host.faults.fetching.passed(), this.#gone.promise]);
    if (this.#socket.destroyed) {
      this.end = 'lost';
      return;
    }
    await this.#host.restore(async () => {
      await sleep(TIMING.fullSyncRestore + lines.length / 1000);
      await this.#host.faults.restoring.passed();
      this.#host.keyspace.restore(lines);
      this.#isEmptied = false;
    });
    this.#socket.destroy();
  }
}
