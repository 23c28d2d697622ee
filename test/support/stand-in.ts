// An address that stays while what is behind it changes from one moment to the next: a node, or somebody who only answers.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

import { createRequestParser } from '../kvrocks-simulator/resp.ts';

/** Who answers at the address: what listens elsewhere, or a rule that gives a reply's bytes for each command. */
export type Behind = Elsewhere | { readonly reply: (command: readonly string[]) => string };

interface Elsewhere {
  readonly host: string;
  readonly port: number;
  /** A command that is carried out, but whose reply is lost, and with it all further ones on its connection; none when left out. */
  readonly losesReplyTo?: (command: readonly string[]) => boolean;
}

export class StandIn {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #behind: Behind;

  private constructor(behind: Behind) {
    this.#behind = behind;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(behind: Behind): Promise<StandIn> {
    const standIn = new StandIn(behind);
    await new Promise<void>((resolve) => {
      standIn.#server.listen(0, '127.0.0.1', resolve);
    });
    return standIn;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** All connections end; the next ones lead there. */
  replace(behind: Behind): void {
    this.#behind = behind;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    const behind = this.#behind;
    this.#keep(socket);
    if ('reply' in behind) {
      const parse = createRequestParser(
        (command) => socket.write(behind.reply(command), 'latin1'),
        () => socket.destroy(),
      );
      socket.on('data', parse);
      return;
    }
    const onward = connect({ host: behind.host, port: behind.port, noDelay: true });
    this.#keep(onward);
    socket.pipe(onward).pipe(socket);
    socket.once('close', () => onward.destroy());
    onward.once('close', () => socket.destroy());
    if (behind.losesReplyTo !== undefined) loseReplies({ socket, onward, isLost: behind.losesReplyTo });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function loseReplies(link: {
  readonly socket: Socket;
  readonly onward: Socket;
  readonly isLost: (command: readonly string[]) => boolean;
}): void {
  const { socket, onward, isLost } = link;
  const parse = createRequestParser(
    (command) => {
      if (!isLost(command)) return;
      onward.unpipe(socket);
      // Nobody reads what is answered, but it is taken, so that what follows is carried out, too.
      onward.resume();
    },
    () => socket.destroy(),
  );
  socket.on('data', parse);
}
