// The proxy's directions: nothing passes a cut, nothing is lost by it.

import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { Pump } from '../../../scripts/failure-injection/pump.ts';

function world() {
  const link = { isCut: false, delayMs: 0, nextDelayMs: () => link.delayMs };
  const [from, to] = [new PassThrough(), new PassThrough()];
  const pump = new Pump(from, to, link);
  const arrived = (): string => String(to.read() ?? '');
  return { link, from, to, pump, arrived };
}

describe('one direction of a connection', () => {
  it('passes bytes on as they come', async () => {
    const { from, arrived } = world();
    from.write('one');
    await turn();
    expect(arrived()).toBe('one');
  });

  it('holds back everything while it is cut and delivers it in order afterwards', async () => {
    const { link, from, pump, arrived } = world();
    link.isCut = true;
    from.write('one ');
    await turn();
    from.write('two');
    await turn();
    expect(arrived()).toBe('');
    link.isCut = false;
    pump.deliver();
    await turn();
    expect(arrived()).toBe('one two');
  });

  it('keeps the news that a side has closed behind a cut, too', async () => {
    const { link, from, to, pump, arrived } = world();
    link.isCut = true;
    from.write('last words');
    await turn();
    from.destroy();
    await turn();
    expect(to.writableEnded).toBe(false);
    link.isCut = false;
    pump.deliver();
    await turn();
    expect(arrived()).toBe('last words');
    expect(to.writableEnded).toBe(true);
  });

  it('never lets a later piece overtake an earlier one that was delayed longer', async () => {
    const { link, from, to } = world();
    link.delayMs = 20;
    from.write('slow ');
    await turn();
    link.delayMs = 0;
    from.write('fast');
    const pieces: string[] = [];
    to.on('data', (bytes: Buffer) => pieces.push(String(bytes)));
    await new Promise((resolve) => {
      to.on('data', () => {
        if (pieces.length === 2) resolve(null);
      });
    });
    expect(pieces).toEqual(['slow ', 'fast']);
  });
});
