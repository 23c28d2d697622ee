// What signals do before and after somebody handles them.

import { expect, test } from 'vitest';

import { ProcessSignals } from '../../../src/main/signals.ts';

function scene() {
  const listeners = new Map<NodeJS.Signals, (signal: NodeJS.Signals) => void>();
  const exits: number[] = [];
  const signals = new ProcessSignals({
    on: (signal, listener) => listeners.set(signal, listener),
    exit: (code) => void exits.push(code),
  });
  return { signals, exits, send: (signal: NodeJS.Signals) => listeners.get(signal)?.(signal), listeners };
}

test('KD3h: a process that has begun nothing ends at once, with code 0, when it is told to', () => {
  const { send, exits } = scene();
  send('SIGHUP');
  send('SIGUSR1');
  expect(exits).toEqual([]);
  send('SIGTERM');
  send('SIGINT');
  expect(exits).toEqual([0, 0]);
});

test('KD3e: afterwards whoever has begun something decides, once for each signal', () => {
  const { signals, send, exits, listeners } = scene();
  const seen: string[] = [];
  signals.handle({
    onStop: (signal) => seen.push(`stop ${signal}`),
    onReload: () => seen.push('reload'),
    onIgnored: (signal) => seen.push(`ignored ${signal}`),
  });
  for (const signal of listeners.keys()) send(signal);
  expect(seen).toEqual(['stop SIGTERM', 'stop SIGINT', 'reload', 'ignored SIGUSR1']);
  expect(exits).toEqual([]);
});

test('a wish to reload from before anybody could hear it is heard then', () => {
  const { signals, send } = scene();
  const seen: string[] = [];
  send('SIGHUP');
  send('SIGHUP');
  signals.handle({
    onStop: () => undefined,
    onReload: () => seen.push('reload'),
    onIgnored: () => undefined,
  });
  expect(seen).toEqual(['reload']);
});
