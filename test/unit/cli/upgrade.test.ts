// An upgrade as people see it.

import { expect, test } from 'vitest';

import { upgradeBlocks, type UpgradeBody } from '../../../src/cli/commands/upgrade.ts';

const MIXED: UpgradeBody = {
  release: '1.3.0',
  level: 5,
  highest: 6,
  members: [
    { id: 1, addr: '10.0.0.1:9379', release: '1.3.0', level: 6, reached: true, error: null },
    { id: 2, addr: '10.0.0.2:9379', release: null, level: 5, reached: true, error: null },
    { id: 3, addr: '10.0.0.3:9379', release: null, level: null, reached: false, error: 'refused' },
  ],
  held_by: 'member 2 supports level 5',
  next: 'restart it',
  off: [{ level: 6, brings: 'tasks' }],
  way_back: 'restart them',
};

test('an upgrade under way has a row a controller, then what holds it, what comes next, what is off and the way back', () => {
  expect(upgradeBlocks(MIXED)).toEqual([
    { kind: 'line', text: 'the group works at feature level 5', colour: null },
    { kind: 'line', text: '', colour: null },
    { kind: 'line', text: 'controllers', colour: 'bold' },
    {
      kind: 'table',
      head: ['ID', 'ADDRESS', 'RELEASE', 'SUPPORTS', 'REACHED'],
      rows: [
        ['1', '10.0.0.1:9379', '1.3.0', 'level 6', 'yes'],
        ['2', '10.0.0.2:9379', 'an earlier one', 'level 5', 'yes'],
        ['3', '10.0.0.3:9379', '?', '?', { text: 'no: refused', colour: 'red' }],
      ],
    },
    { kind: 'line', text: '', colour: null },
    {
      kind: 'fields',
      fields: [
        ['held by', { text: 'member 2 supports level 5', colour: 'yellow' }],
        ['next', 'restart it'],
        ['from level 6 on', 'tasks'],
        ['way back', 'restart them'],
      ],
    },
  ]);
});
