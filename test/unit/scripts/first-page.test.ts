// The first page of the book as a script: where its commands stand, and what counts as shown.

import { describe, expect, test } from 'vitest';

import { compare, scriptOf } from '../../../scripts/lib/first-page.ts';

const PAGE = [
  '# Title',
  '```sh',
  'kvctl raft status',
  '```',
  '```text',
  'controller 2 at 127.0.0.1:9380 leads, term 1',
  '1   127.0.0.1:9379  voter   0    31 ms ago  yes',
  '2   127.0.0.1:9380  leader  0               yes',
  '... is the master, 10.0.1.1:6666 ...',
  '```',
  '```',
  'kvctl not this',
  '```',
].join('\n');
const SAID = [
  'controller 1 at 127.0.0.1:41000 leads, term 12',
  '1  127.0.0.1:41000  leader  0            yes',
  '2  127.0.0.1:41001  voter   0  7 ms ago  yes',
  'a02ad614 is the master, 10.0.1.1:6666 said so',
  '@@4',
];

test('commands keep their lines, and a mark follows each block', () => {
  expect(scriptOf(PAGE).split('\n').slice(0, 5)).toEqual(['', '', 'kvctl raft status', 'echo @@4', '']);
  expect(scriptOf(PAGE)).not.toContain('not this');
});

describe('what is shown', () => {
  test('is said, whoever leads, in whatever time', () => {
    expect(() => compare(PAGE, SAID.join('\n'))).not.toThrow();
  });

  test.each([
    ['a line that is missing', SAID.filter((line) => !line.startsWith('controller')), /start\.md:6 shows/],
    ['another word', SAID.map((line) => line.replace('yes', 'no')), /start\.md:7 shows/],
    ['another node', SAID.map((line) => line.replace('10.0.1.1', '10.0.2.1')), /start\.md:9 shows/],
    ['a line of a later block', [...SAID.slice(1), SAID[0] ?? '', '@@13'], /start\.md:6 shows/],
  ])('is not %s', (_what, said, reason) => {
    expect(() => compare(PAGE, said.join('\n'))).toThrow(reason);
  });
});
