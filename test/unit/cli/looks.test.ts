// Recorded answers of the API as people see them: what kvctl's looking commands make of them, without a process.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { type Block, fields, line, printBlocks, table } from '../../../src/cli/commands/blocks.ts';
import { checkBlocks, placementBlocks } from '../../../src/cli/commands/check.ts';
import { eventLine } from '../../../src/cli/commands/events.ts';
import { explanationBlocks, nextText } from '../../../src/cli/commands/explain-view.ts';
import { shardMeant } from '../../../src/cli/commands/explain.ts';
import { nodeBlocks } from '../../../src/cli/commands/describe-view.ts';
import { migrationRow, nodeRows, slotsText } from '../../../src/cli/commands/node-rows.ts';
import { countsCell, problemBlocks } from '../../../src/cli/commands/severity.ts';
import { parseSince, spanText } from '../../../src/cli/commands/span-text.ts';
import type {
  ExplanationBody,
  MigrationBody,
  NodeStatusBody,
  ProblemBody,
  StatusBody,
} from '../../../src/cli/commands/status-body.ts';
import { overviewRow, statusBlocks } from '../../../src/cli/commands/status-view.ts';
import { groupSight } from '../../../src/cli/commands/status.ts';
import { durationMs } from '../../../src/cli/durations.ts';
import { Failure } from '../../../src/cli/failure.ts';
import { type Cell, Terminal } from '../../../src/cli/terminal.ts';

const MASTER: NodeStatusBody = {
  id: 'a02ad61429ab99daad9e61e59c55cd5843bcac30',
  addr: '10.0.0.1:6666',
  shard: 0,
  condition: 'answering',
  role: { wanted: 'master', seen: 'master' },
  version: { wanted: 4, seen: 4 },
  link_fault: null,
  sequence: 120,
  behind: null,
  last_look_age_ms: 31,
  missed_probes: 0,
  error: null,
  failover_priority: 100,
  zone: '',
  maintenance: null,
  converged: true,
  witnesses: [{ by: 3, saw: 'answered', age_ms: 0 }],
};

const REPLICA: NodeStatusBody = {
  ...MASTER,
  id: '701260c1d26c63e4a182e1712677ff9331268fb3',
  addr: '10.0.0.2:6666',
  role: { wanted: 'slave', seen: 'slave' },
  behind: 7,
};

const DOWN: ProblemBody = {
  kind: 'replicaUnreachable',
  severity: 'warning',
  title: 'Replica unreachable',
  detail: 'missed 5 probes',
  remedy: 'Start the node.',
  shard: 0,
  node: REPLICA.id,
  addr: REPLICA.addr,
};

const PAUSED: ProblemBody = {
  ...DOWN,
  kind: 'failoverRestrained',
  severity: 'critical',
  title: 'Master is not replaced',
  node: null,
  addr: null,
};

const TASK: MigrationBody = {
  id: 3,
  kind: 'migrate',
  state: 'running',
  reason: '',
  slots: { total: 200, moved: 128, left: 72 },
  percent: 64,
  slots_per_second: 31.5,
  seconds_left: { least: 3, most: 4 },
  retries: 0,
  running: [{ slots: '228-291', source: 0, target: 1, stage: 'started' }],
  ended_at: null,
};

const STATUS: StatusBody = {
  cluster: 'carts',
  version: 4,
  converged: true,
  automation: { failover: 'on', ignore_mass_failure: false, until: null, reason: '', set_at: null, by: null },
  on_divergence: 'resync',
  nodes: [REPLICA, MASTER],
  departed: [],
  problems: [],
  shards: [{ shard: 0, master: MASTER.id, last_decision: null }],
  migrations: [],
  spares: { copies: null, replace_after_seconds: 600, nodes: [], shards: [] },
};

const SLOTS = new Map([MASTER, REPLICA].map(({ id }) => [id, ['0-16383']] as const));
const SIGHT = { namespace: 'shop', status: STATUS, slots: SLOTS, group: null };

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

/** Each block as lines, cells with bars between. */
function texts(blocks: readonly Block[]): readonly string[] {
  return blocks.flatMap((block) => {
    switch (block.kind) {
      case 'line':
        return [block.text];
      case 'fields':
        return block.fields.map(([name, value]) => `${name}|${textOf(value)}`);
      case 'table':
        return [block.head.join('|'), ...block.rows.map((row) => row.map(textOf).join('|'))];
    }
  });
}

describe('status', () => {
  test('a cluster that is well: its shards, the master of each first, slots beside it', () => {
    expect(texts(statusBlocks(SIGHT, false))).toEqual([
      'cluster shop/carts: version 4, converged, 2 of 2 nodes answer, 1 shard',
      'no problems',
      '',
      'SHARD|SLOTS|ROLE|ADDRESS|ID|CONDITION|LINK|LAG',
      '0|0-16383|master|10.0.0.1:6666|a02ad614|answering|-|-',
      '||replica|10.0.0.2:6666|701260c1|answering|up|7',
    ]);
  });

  test('what is wrong comes first, the gravest of it before the rest, each kind with one remedy', () => {
    const far = { ...DOWN, shard: 1, addr: '10.0.0.9:6666' };
    const status = { ...STATUS, problems: [DOWN, PAUSED, far] };
    const shown = texts(statusBlocks({ ...SIGHT, status }, false));
    expect(shown.slice(2, 9)).toEqual([
      'critical  Master is not replaced (failoverRestrained)',
      '  shard 0: missed 5 probes',
      '  to do: Start the node.',
      'warning   Replica unreachable (replicaUnreachable)',
      '  shard 0, 10.0.0.2:6666: missed 5 probes',
      '  shard 1, 10.0.0.9:6666: missed 5 probes',
      '  to do: Start the node.',
    ]);
  });

  test('many problems of one kind are cut, unless all is wanted', () => {
    const many = Array.from({ length: 12 }, (_, shard) => ({ ...DOWN, shard }));
    expect(texts(problemBlocks(many, false))).toContain('  and 7 more (-o wide shows all)');
    expect(texts(problemBlocks(many, true))).toHaveLength(14);
  });

  test('a node that is not as it should be says in what', () => {
    const odd = {
      ...REPLICA,
      role: { wanted: 'slave', seen: 'master' },
      version: { wanted: 4, seen: 2 },
      maintenance: { until: null, reason: '', set_at: null },
      converged: false,
    };
    const gone = {
      ...REPLICA,
      id: 'f'.repeat(40),
      role: { wanted: 'slave', seen: null },
      condition: 'gone',
      behind: null,
    };
    const lost = { ...MASTER, shard: 1, version: { wanted: 4, seen: 4 }, converged: false };
    const rows = nodeRows([odd, gone, lost], SLOTS, false).map((row) => row.map(textOf).join('|'));
    expect(rows).toEqual([
      '0|0-16383|replica (is master)|10.0.0.2:6666|701260c1|answering, in maintenance, version 2 instead of 4|?|7',
      '||replica|10.0.0.2:6666|ffffffff|gone|?|?',
      '1|0-16383|master|10.0.0.1:6666|a02ad614|answering, not in its place|-|-',
    ]);
  });

  test('automation that is not on, migrations, spares and departed nodes are told', () => {
    const status: StatusBody = {
      ...STATUS,
      automation: {
        failover: 'paused',
        ignore_mass_failure: false,
        until: '2026-12-01T00:00:00Z',
        reason: 'racks move',
        set_at: '2026-11-30T00:00:00Z',
        by: 'group',
      },
      migrations: [TASK],
      spares: {
        copies: 2,
        replace_after_seconds: 600,
        nodes: [{ addr: '10.0.0.8:6666', zone: '', lost: null, state: 'silent', reason: 'no answer' }],
        shards: [{ shard: 0, there: 1, wanted: 2, since: 'S', until: null, plan: 'nothing is ready' }],
      },
      departed: [{ id: REPLICA.id, addr: '10.0.0.7:6666', left_at: 'T', state: 'untold', error: null }],
    };
    const shown = texts(statusBlocks({ ...SIGHT, status }, false));
    expect(shown).toContain(
      'automatic failover: paused, until 2026-12-01T00:00:00Z, because: racks move, said at 2026-11-30T00:00:00Z for the group',
    );
    expect(shown).toContain('3|migrate|running|128 of 200 (64 %)|31.5|3 to 4 s|228-291 from shard 0 to 1|');
    expect(shown).toContain('spares: 2 nodes wanted of each shard');
    expect(shown).toContain('10.0.0.8:6666|-|silent|no answer');
    expect(shown).toContain('shard 0 has 1 of 2 nodes since S: nothing is ready');
    expect(shown).toContain('10.0.0.7:6666|701260c1|untold|T|');
  });

  test('mass failures that are ignored are told too', () => {
    const automation = { ...STATUS.automation, ignore_mass_failure: true };
    const shown = texts(statusBlocks({ ...SIGHT, status: { ...STATUS, automation } }, false));
    expect(shown[2]).toContain('however many nodes are missed at once');
  });

  test('a cluster among others is one line', () => {
    const status = {
      ...STATUS,
      nodes: [MASTER, { ...REPLICA, condition: 'down' }],
      problems: [DOWN, PAUSED],
      migrations: [TASK],
      converged: false,
    };
    expect(overviewRow('shop', status).map(textOf)).toEqual([
      'shop',
      'carts',
      '4',
      'no',
      '1/2',
      '1',
      '1 critical, 1 warning',
      '1 open',
    ]);
    expect(overviewRow('shop', STATUS).map(textOf)).toEqual([
      'shop',
      'carts',
      '4',
      'yes',
      '2/2',
      '1',
      'none',
      '-',
    ]);
  });

  test('the gravest severity gives the colour', () => {
    expect(countsCell([DOWN, PAUSED])).toMatchObject({ colour: 'red' });
    expect(countsCell([DOWN])).toMatchObject({ colour: 'yellow' });
  });

  test('of the controllers only the leader knows who is heard', () => {
    const members = [
      { id: 1, addr: 'a:1', lag: 0, lastContactMs: null },
      { id: 2, addr: 'b:1', lag: 0, lastContactMs: 40 },
      { id: 3, addr: 'c:1', lag: 9, lastContactMs: 60_000 },
      { id: 4, addr: 'd:1', lag: null, lastContactMs: null },
    ];
    expect(groupSight({ leader: 1, members })).toEqual({
      leader: 'a:1',
      members: ['a:1', 'b:1', 'c:1', 'd:1'],
      silent: ['c:1', 'd:1'],
    });
    expect(groupSight({ leader: 4, members })).toBeNull();
    expect(groupSight({ leader: 0, members })).toBeNull();
    const group = groupSight({ leader: 1, members });
    expect(texts(statusBlocks({ ...SIGHT, group }, false))[1]).toBe(
      'controllers: a:1 leads, 2 of 4 answer, not c:1, d:1',
    );
  });

  test('slots in many pieces are cut, unless all is wanted', () => {
    const pieces = ['1', '3', '5', '7', '9'];
    expect(slotsText(pieces, false)).toBe('1 3 5 and 2 ranges more');
    expect(slotsText(pieces, true)).toBe('1 3 5 7 9');
    expect([slotsText([], false), slotsText(null, false)]).toEqual(['none', '?']);
  });

  test('a migration that has ended says how', () => {
    const failed = { ...TASK, state: 'failed', running: [], slots_per_second: null, seconds_left: null };
    expect(
      migrationRow({ ...failed, reason: 'five times' })
        .map(textOf)
        .slice(2),
    ).toEqual(['failed', '128 of 200 (64 %)', '-', '-', '-', 'five times']);
  });

  test('1,000 nodes are made into rows in no time', () => {
    const nodes = Array.from({ length: 1000 }, (_, index) => ({
      ...(index % 2 === 0 ? MASTER : REPLICA),
      shard: Math.floor(index / 2),
    }));
    const startMs = performance.now();
    expect(nodeRows(nodes, SLOTS, true)).toHaveLength(1000);
    expect(performance.now() - startMs).toBeLessThan(200);
  });
});

describe('describe', () => {
  test('a node in fields, a replica with its link and lag', () => {
    const maintenance = { until: null, reason: 'new disk', set_at: null };
    const shown = texts(nodeBlocks({ node: { ...REPLICA, maintenance }, problems: [DOWN], events: [] }));
    expect(shown).toContain('lag|7');
    expect(shown).toContain('looked at|31 ms ago');
    expect(shown).toContain('maintenance|until somebody ends it, because: new disk');
    expect(shown).toContain('warning   Replica unreachable (replicaUnreachable)');
    expect(texts(nodeBlocks({ node: MASTER, problems: [], events: [] }))).not.toContain('link|up');
  });
});

describe('explain', () => {
  const gate = { verdict: 'not_reached', evidence: '', left_ms: null, until: null, remedy: null };
  const EXPLAINED: ExplanationBody = {
    shard: 0,
    master: MASTER.id,
    verdict: 'waiting',
    why: 'the master is missed',
    missed_since: '2026-11-30T15:00:00Z',
    next: null,
    gates: [
      { ...gate, gate: 'missed', verdict: 'pass', evidence: 'no answer' },
      { ...gate, gate: 'time', verdict: 'wait', left_ms: 1200 },
      { ...gate, gate: 'lease' },
    ],
    candidates: [],
    witnesses: [{ by: 2, saw: 'refused', age_ms: 34 }],
    copies: null,
  };
  const view = { addressOf: (id: string) => (id === MASTER.id ? MASTER.addr : id), isWide: false };

  test('gates with their evidence, candidates, witnesses, and what happens next', () => {
    expect(texts(explanationBlocks(EXPLAINED, view))).toEqual([
      'shard 0: waiting, the master is missed',
      'master: 10.0.0.1:6666, missed since 2026-11-30T15:00:00Z',
      'next: waits for time, for 1.2 s more',
      '',
      'gates of an automatic failover',
      'GATE|VERDICT|LEFT|EVIDENCE',
      'missed|open|-|no answer',
      'time|waits|1.2 s|',
      'lease|not reached|-|',
      '',
      'candidates: none, the shard has no replica',
      '',
      'what the controllers saw of it',
      'CONTROLLER|SAW|AGE',
      '2|refused|34 ms',
    ]);
  });

  test('what happens next, for every verdict', () => {
    const next = { action: 'failover', node: MASTER.id, at: '' };
    const blocked = [{ ...gate, gate: 'candidate', verdict: 'block', remedy: 'start one' }];
    const unknown = [{ ...gate, gate: 'confirmed', verdict: 'wait' }];
    expect(nextText({ ...EXPLAINED, next }, view.addressOf)).toBe(
      '10.0.0.1:6666 takes over with the next decision',
    );
    expect(nextText({ ...EXPLAINED, verdict: 'healthy' }, view.addressOf)).toContain('nothing to replace');
    expect(nextText({ ...EXPLAINED, gates: blocked }, view.addressOf)).toContain(
      'candidate stays closed until',
    );
    expect(nextText({ ...EXPLAINED, gates: unknown }, view.addressOf)).toContain('nobody knows for how long');
  });

  test('the shard is named with or without the word', () => {
    expect([shardMeant(['shard', '3']), shardMeant(['3']), shardMeant([]), shardMeant(['shard'])]).toEqual([
      3,
      3,
      null,
      null,
    ]);
    expect(() => shardMeant(['node', '3'])).toThrow(Failure);
    expect(() => shardMeant(['shard', '3', '4'])).toThrow(Failure);
    expect(() => shardMeant(['x'])).toThrow(Failure);
  });
});

describe('events, check and placement', () => {
  test('an event is one line, whatever stands in it', () => {
    const event = {
      id: 'shop/carts/12',
      kind: 'failover',
      severity: 'warning',
      actor: 'controller',
      text: 'two\nlines\u001B[2J',
      node: null,
      shard: 1,
      time: '2026-11-30T15:03:57.404Z',
    };
    expect(eventLine(event, { hasPlace: true, isWide: true })).toBe(
      '2026-11-30T15:03:57.404Z  warning   failover            shop/carts            controller  shard 1: two\\u{a}lines\\u{1b}[2J',
    );
    expect(eventLine({ ...event, shard: null, text: 'x' }, { hasPlace: false, isWide: false })).toBe(
      '2026-11-30T15:03:57.404Z  warning   failover            x',
    );
  });

  test('findings with their remedies', () => {
    const finding = {
      kind: 'nodeSilent',
      severity: 'critical',
      shard: 0,
      node: MASTER.id,
      address: MASTER.addr,
      text: 'it does not answer',
      remedy: 'Start it.',
    } as const;
    const checked = { is_clean: false, version: 4, checked_at: 'T', nodes_asked: 2, nodes_answered: 1 };
    expect(texts(checkBlocks('carts', { ...checked, findings: [finding] }))).toEqual([
      'cluster carts, version 4: 1 of 2 nodes answered at T',
      'not clean, findings: 1 critical',
      '',
      'critical  shard 0, 10.0.0.1:6666: nodeSilent',
      '  it does not answer',
      '  to do: Start it.',
    ]);
    expect(texts(checkBlocks('carts', { ...checked, is_clean: true, findings: [] }))[1]).toBe(
      'clean, findings: none',
    );
  });

  test('failovers that mend a placement as commands', () => {
    const failover = { shard: 0, from: MASTER.id, from_zone: 'east', to: REPLICA.id, to_zone: '' };
    const stored = { password: '', master_auth: '', created_at: 0 } as const;
    const nodes = [{ id: MASTER.id, addr: MASTER.addr, role: 'master', ...stored }] as const;
    const shown = texts(placementBlocks({ faults: [], failovers: [failover] }, nodes));
    expect(shown.at(-1)).toBe(
      `0|10.0.0.1:6666 (east)|${REPLICA.id} (no zone)|kvctl failover shard 0 --preferred ${REPLICA.id}`,
    );
    expect(texts(placementBlocks({ faults: [], failovers: [] }, []))[0]).toContain('stand well');
  });
});

describe('spans of time', () => {
  test('are read in milliseconds to days', () => {
    expect(['500ms', '30s', '1.5m', '2h', '3d', '7'].map(durationMs)).toEqual([
      500, 30_000, 90_000, 7_200_000, 259_200_000, 7000,
    ]);
    expect(['', '0s', '-1s', '5 m', '5w', 'soon'].map(durationMs)).toEqual(
      Array.from({ length: 6 }, () => null),
    );
  });

  test('since is a duration before now, or a time', () => {
    const nowMs = Date.UTC(2026, 10, 30, 12, 0, 0, 900);
    expect(parseSince('10m', nowMs)).toBe('2026-11-30T11:50:00Z');
    expect(parseSince('2026-01-31T12:00:00+01:00', nowMs)).toBe('2026-01-31T12:00:00+01:00');
    expect(() => parseSince('999999d', nowMs)).toThrow(Failure);
    expect(() => parseSince('yesterday', nowMs)).toThrow(Failure);
  });

  test('are written in the two greatest units', () => {
    const spans = [0, 850.4, 4250, 60_000, 200_000, 10_980_000, 180_000_000, 259_200_000];
    expect(spans.map(spanText)).toEqual([
      '0 ms',
      '850 ms',
      '4.2 s',
      '1 min',
      '3 min 20 s',
      '3 h 3 min',
      '2 d 2 h',
      '3 d',
    ]);
  });
});

describe('on the terminal', () => {
  let written = '';

  beforeEach(() => {
    written = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      written += String(text);
      return true;
    });
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  test('nothing that a server says moves the cursor', () => {
    const evil = 'x\u001B[2J\n\u202Ey';
    const terminal = new Terminal({ isQuiet: false, isColourWanted: true, isYes: false });
    printBlocks(terminal, [
      line(evil, 'red'),
      line(evil),
      fields(['name', evil], ['longer', { text: evil, colour: 'red' }]),
      table(['A', 'B'], [[evil, { text: evil, colour: 'dim' }]]),
    ]);
    expect(written.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(written.split('\n')).toHaveLength(7);
  });
});
