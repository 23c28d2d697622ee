// What is no Kvrocks node and answers at the address of one: a plain Redis, or something that speaks another protocol.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

import { waitFor } from './wait-until.ts';

const SIMULATOR = fileURLToPath(new URL('../kvrocks-simulator/main.ts', import.meta.url));

export interface Stranger {
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Takes `port` of 127.0.0.1, which must be free, and resolves when it answers there. */
export async function startStranger(options: {
  readonly port: number;
  readonly as: 'redis' | 'garbage';
}): Promise<Stranger> {
  const { port, as } = options;
  const child = spawn(process.execPath, [SIMULATOR, '--port', String(port), '--as', as, '--with-parent'], {
    stdio: 'ignore',
  });
  const kill = async (): Promise<void> => end(child);
  try {
    await waitFor(`a stranger at port ${port}`, async () => isRunning(child) && canConnect(port));
  } catch (error) {
    await kill();
    throw error;
  }
  return { kill };
}

async function end(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const settle = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
