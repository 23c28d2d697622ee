// What was begun is ended once, newest first.

import { expect, test } from 'vitest';

import { Closers } from '../../../src/server/closers.ts';

test('the newest ends first, and what was ended before its turn is not ended again', async () => {
  const ended: string[] = [];
  const closers = new Closers();
  const end = (name: string) => () => {
    ended.push(name);
    return Promise.resolve();
  };
  closers.add(end('database'));
  const stopListening = closers.add(end('server'));
  closers.add(end('driver'));
  await stopListening();
  await closers.closeAll();
  await closers.closeAll();
  expect(ended).toEqual(['server', 'driver', 'database']);
});

test('a failure is told after all others had their turn', async () => {
  const ended: string[] = [];
  const closers = new Closers();
  closers.add(() => {
    ended.push('database');
    return Promise.resolve();
  });
  closers.add(() => Promise.reject(new Error('the disk does not answer')));
  await expect(closers.closeAll()).rejects.toThrow('the disk does not answer');
  expect(ended).toEqual(['database']);
});
