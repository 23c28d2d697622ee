// From names of members to the files of a group.

import { expect, test } from 'vitest';
import { parse } from 'yaml';

import { loadConfig } from '../../../src/config/load.ts';
import { countWarning, parseMembers, type Member } from '../../../src/main/init/members.ts';
import { nextStepsText } from '../../../src/main/init/next-steps.ts';
import { composeText, configText, unitText, valuesText } from '../../../src/main/init/templates.ts';

function members(text: string): readonly Member[] {
  const parsed = parseMembers(text, (id) => `/var/lib/kvrocks-controller/${id}`);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

test('members are numbered as they are named, listen where they are called, and a name listens everywhere', () => {
  const all = members('10.0.0.1, b.example:9000 ,[2001:db8::3]');
  expect(all.map(({ id, address, listen }) => [id, address, listen])).toEqual([
    [1, '10.0.0.1:9379', '10.0.0.1:9379'],
    [2, 'b.example:9000', '0.0.0.0:9000'],
    [3, '[2001:db8::3]:9379', '[2001:db8::3]:9379'],
  ]);
  for (const member of all) {
    const file = { name: 'c.yaml', text: configText(member, all) };
    const loaded = loadConfig({ file, environment: {}, flags: [] });
    expect(loaded.ok && loaded.value.config).toMatchObject({
      advertiseAddress: member.address,
      raft: { id: member.id, dataDir: `/var/lib/kvrocks-controller/${member.id}` },
    });
  }
});

test.each([
  ['', 'expected host:port, got ":9379"'],
  ['a,,c', 'expected host:port, got ":9379"'],
  ['a b', 'expected host:port, got "a b:9379"'],
  ['a:0', 'expected host:port, got "a:0"'],
  ['0.0.0.0', 'stands for every address'],
  ['https://a:1', 'plain HTTP'],
  ['a,b,A:9379', '"a:9379" is there twice'],
])('%j names no members', (text, reason) => {
  const parsed = parseMembers(text, () => '/d');
  expect(parsed.ok ? '' : parsed.error).toContain(reason);
});

test('an even number, and one, are told not to be wise', () => {
  expect([3, 5].map(countWarning)).toEqual([null, null]);
  expect(countWarning(1)).toContain('a single member');
  expect(countWarning(4)).toBe(
    '4 members survive the loss of 1, no more than 3 would, and have to agree with one more: take 5',
  );
  expect(countWarning(2)).toContain('survive the loss of none');
});

test('each host starts its own member, from the files that it has', () => {
  const all = members('a,b,c');
  const compose: unknown = parse(composeText(all, '1.2.3'));
  expect(compose).toMatchObject({
    services: {
      'controller-2': {
        network_mode: 'host',
        volumes: ['./2:/etc/kvrocks-controller:ro', 'controller-2:/data'],
      },
    },
    volumes: { 'controller-1': {}, 'controller-2': {}, 'controller-3': {} },
  });
  expect(parse(valuesText(all))).toEqual({ replicas: 3, clusterState: 'new', port: 9379, config: {} });
  const steps = nextStepsText({ out: "it's", members: all, version: '1.2.3' });
  expect(steps).toContain(
    "sudo install -D -m 0600 -o kvrocks-controller -g kvrocks-controller 'it'\\''s/2/config.yaml' /etc/kvrocks-controller/2/config.yaml\n",
  );
});

test('a unit starts its member with the file that the steps install, and reloads it', () => {
  const all = members('a,b,c');
  const [, second] = all;
  if (second === undefined) throw new Error('three members');
  const unit = unitText(second);
  expect(unit).toContain(' -c /etc/kvrocks-controller/2/config.yaml\n');
  expect(unit).toContain('\nExecReload=/bin/kill -HUP $MAINPID\n');
  expect(unit).toContain('\nStateDirectory=kvrocks-controller/2\n');
  expect(nextStepsText({ out: 'k', members: all, version: '1.2.3' })).toContain(
    ' k/2/config.yaml /etc/kvrocks-controller/2/config.yaml\n',
  );
});

test('a data directory elsewhere is bound into the unit, whatever its name', () => {
  const parsed = parseMembers('a', () => '/srv/50% "x"/1');
  const [member] = parsed.ok ? parsed.value : [];
  if (member === undefined) throw new Error('one member');
  expect(unitText(member)).toContain('\nBindPaths="/srv/50%% \\"x\\"/1"\n');
  expect(unitText(member)).not.toContain('StateDirectory');
});
