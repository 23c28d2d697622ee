// The connection of a migration's source to its target: commands out, one line of answer each, a second of patience.

import { connect, type Socket } from 'node:net';

import { err, ok, type Result } from '../../src/base/result.ts';
import { encodeCommand } from './resp.ts';
import { startDeadline, TIMING } from './timing.ts';

/** The answers of commands sent together, or the reason why not all of them came, in the server's words. */
export type Answers = Result<readonly string[], string>;

interface Waiting {
  readonly count: number;
  readonly lines: string[];
  readonly finish: (answers: Answers) => void;
}

export class MigrationLink {
  readonly #socket: Socket;
  #received = '';
  #waiting: Waiting | null = null;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#finish(err('failed to read response: Success'));
    });
  }

  /** Connects without a timeout of its own (facts section 5.1). */
  static async open(host: string, port: number): Promise<Result<MigrationLink, string>> {
    return new Promise((resolve) => {
      const socket = connect({ host, port, noDelay: true });
      const refused = (cause: NodeJS.ErrnoException): void => {
        const reason = cause.code === 'ECONNREFUSED' ? 'Connection refused' : cause.message;
        resolve(err(`failed to connect to the destination node: ${reason}`));
      };
      socket.once('error', refused);
      socket.once('connect', () => {
        socket.off('error', refused);
        resolve(ok(new MigrationLink(socket)));
      });
    });
  }

  /** Sends the commands in one write and waits for a line of answer to each. One call at a time. */
  async ask(commands: readonly (readonly string[])[]): Promise<Answers> {
    if (this.#closed) return err('failed to send command to the destination node: Broken pipe');
    return new Promise((resolve) => {
      const cancel = startDeadline(TIMING.migrationAnswer, () =>
        this.#finish(err('failed to read response: Resource temporarily unavailable')),
      );
      const finish = (answers: Answers): void => {
        cancel();
        resolve(answers);
      };
      this.#waiting = { count: commands.length, lines: [], finish };
      this.#socket.write(commands.map((command) => encodeCommand(command)).join(''), 'latin1');
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received += chunk.toString('latin1');
    for (;;) {
      const end = this.#received.indexOf('\r\n');
      if (end === -1 || this.#waiting === null) return;
      this.#waiting.lines.push(this.#received.slice(0, end));
      this.#received = this.#received.slice(end + 2);
      if (this.#waiting.lines.length === this.#waiting.count) this.#finish(ok(this.#waiting.lines));
    }
  }

  #finish(answers: Answers): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.finish(answers);
  }
}
