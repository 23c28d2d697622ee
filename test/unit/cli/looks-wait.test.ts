// What can be waited for, and when it is there.

import { describe, expect, test } from 'vitest';

import type { MigrationBody, NodeStatusBody, StatusBody } from '../../../src/cli/commands/status-body.ts';
import { clusterStanding, parseGoal, taskStanding } from '../../../src/cli/commands/wait-goal.ts';
import { Failure } from '../../../src/cli/failure.ts';

const MASTER = {
  id: `aaaa${'0'.repeat(36)}`,
  addr: '10.0.0.1:6666',
  shard: 0,
  condition: 'answering',
  role: { wanted: 'master', seen: 'master' },
  version: { wanted: 4, seen: 4 },
  maintenance: null,
  error: null,
  converged: true,
} as unknown as NodeStatusBody;

const REPLICA = {
  ...MASTER,
  id: `aaaabbbb${'0'.repeat(32)}`,
  addr: '10.0.0.2:6666',
  role: { wanted: 'slave', seen: 'slave' },
} as unknown as NodeStatusBody;

function statusOf(nodes: readonly NodeStatusBody[], problems: readonly object[] = []): StatusBody {
  const converged = nodes.every((node) => node.converged);
  return { version: 4, converged, nodes, problems } as unknown as StatusBody;
}

const WELL = statusOf([MASTER, REPLICA]);

test('goals are read, and nonsense is refused', () => {
  expect(['converged', 'healthy', 'master=10.0.0.1:6666', 'task=3'].map(parseGoal)).toEqual([
    { kind: 'converged' },
    { kind: 'healthy' },
    { kind: 'master', node: '10.0.0.1:6666' },
    { kind: 'task', id: 3 },
  ]);
  for (const text of [
    '',
    'luck',
    'master',
    'master=',
    'master=ab',
    'task=',
    'task=x',
    'converged=',
    'healthy=1',
  ])
    expect(() => parseGoal(text), text).toThrow(Failure);
});

describe('converged and healthy', () => {
  test('are reached where every node is in its place', () => {
    expect(clusterStanding({ kind: 'converged' }, WELL)).toEqual({
      kind: 'reached',
      text: 'every node has version 4',
    });
    expect(clusterStanding({ kind: 'healthy' }, WELL).kind).toBe('reached');
  });

  test('name the nodes that are not, a few of them', () => {
    const late = { ...REPLICA, version: { wanted: 4, seen: 3 }, converged: false };
    const away = { ...late, condition: 'down', error: 'connect ECONNREFUSED' };
    const wrong = { ...REPLICA, role: { wanted: 'slave', seen: 'master' }, converged: false };
    const standing = clusterStanding({ kind: 'converged' }, statusOf([MASTER, late, away, wrong, late]));
    expect(standing).toEqual({
      kind: 'waiting',
      text:
        '1 of 5 nodes are in their places at version 4; not 10.0.0.2:6666 (answering, version 3 instead of 4), ' +
        '10.0.0.2:6666 (down, version 3 instead of 4, connect ECONNREFUSED), 10.0.0.2:6666 (answering, not in its place, is master still), and 1 more',
    });
    expect(clusterStanding({ kind: 'healthy' }, statusOf([MASTER, late])).kind).toBe('waiting');
  });

  test('a cluster is healthy with problems that are for information only', () => {
    const info = { severity: 'info', title: 'Node is loading its data', shard: 0, addr: MASTER.addr };
    const grave = { ...info, severity: 'error', title: 'Password refused' };
    expect(clusterStanding({ kind: 'healthy' }, statusOf([MASTER], [info])).kind).toBe('reached');
    expect(clusterStanding({ kind: 'healthy' }, statusOf([MASTER], [info, grave]))).toEqual({
      kind: 'waiting',
      text: '1 problem: shard 0, 10.0.0.1:6666: Password refused (error)',
    });
    expect(clusterStanding({ kind: 'healthy' }, statusOf([MASTER], [grave, grave])).text).toMatch(
      /^2 problems/,
    );
  });
});

describe('a master', () => {
  test('is reached where it answers and was seen as master', () => {
    const goal = { kind: 'master', node: MASTER.addr } as const;
    expect(clusterStanding(goal, WELL)).toEqual({
      kind: 'reached',
      text: '10.0.0.1:6666 is master of shard 0',
    });
    const untold = { ...MASTER, role: { wanted: 'master', seen: 'slave' }, converged: false };
    expect(clusterStanding(goal, statusOf([untold, REPLICA])).text).toContain('is to be master of shard 0');
  });

  test('who is a replica is waited for, who is nobody is not', () => {
    expect(clusterStanding({ kind: 'master', node: 'aaaabbbb' }, WELL)).toEqual({
      kind: 'waiting',
      text: '10.0.0.2:6666 is a replica of shard 0, whose master is 10.0.0.1:6666',
    });
    expect(clusterStanding({ kind: 'master', node: '10.0.0.9:1' }, WELL)).toMatchObject({
      kind: 'failed',
      isMissing: true,
    });
    expect(() => clusterStanding({ kind: 'master', node: 'aaaa' }, WELL)).toThrow(Failure);
  });
});

test('a task is reached when it has succeeded, and in vain when it has failed or was cancelled', () => {
  const task = { id: 3, reason: '', slots: { total: 20, moved: 5, left: 15 }, percent: 25 };
  const stand = (state: string, reason = ''): ReturnType<typeof taskStanding> =>
    taskStanding({ ...task, state, reason } as unknown as MigrationBody);
  expect(stand('running')).toEqual({
    kind: 'waiting',
    text: 'migration 3 is running, 5 of 20 slots moved (25 %)',
  });
  expect(stand('paused', 'somebody wants so').text).toBe(
    'migration 3 is paused, 5 of 20 slots moved (25 %): somebody wants so',
  );
  expect(stand('succeeded').kind).toBe('reached');
  expect(stand('failed')).toMatchObject({ kind: 'failed', isMissing: false });
  expect(stand('cancelled').kind).toBe('failed');
});
