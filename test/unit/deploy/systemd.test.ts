// The systemd unit: how exposed it is, by systemd's own count, and what it promises.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { deployFile, readUnit } from '../../support/deployed.ts';

const FILE = fileURLToPath(new URL('../../../deploy/systemd/kvrocks-controller.service', import.meta.url));
const unit = readUnit(deployFile('systemd/kvrocks-controller.service'));

/** Tenths: what `systemd-analyze security` calls 1.3. */
const EXPOSURE_MAX = 13;

function analyze(...args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return { status, output: `${stdout ?? ''}${stderr ?? ''}` };
}

test.runIf(analyze('security', '--help').output.includes('--offline'))(
  'systemd counts an exposure of 1.3 or better',
  () => {
    const { status, output } = analyze(
      'security',
      '--offline=true',
      '--no-pager',
      `--threshold=${EXPOSURE_MAX}`,
      FILE,
    );
    expect(status, output).toBe(0);
  },
);

test('the unit runs as a user of its own, can write its state directory alone, and gains nothing', () => {
  for (const [name, value] of Object.entries({
    User: 'kvrocks-controller',
    StateDirectoryMode: '0700',
    ProtectSystem: 'strict',
    ProtectHome: 'yes',
    NoNewPrivileges: 'yes',
    CapabilityBoundingSet: '',
    LimitCORE: '0',
    UMask: '0077',
  }))
    expect(unit.get(name), name).toEqual([value]);
  expect(unit.get('WorkingDirectory')).toEqual([`%S/${unit.get('StateDirectory')?.[0]}`]);
  expect(unit.get('SystemCallFilter')).toEqual(['@system-service', '~@privileged @resources']);
  expect(deployFile('systemd/kvrocks-controller.sysusers.conf')).toMatch(/^u kvrocks-controller - /m);
});

test('the unit gives an orderly stop more time than it takes, and a reload is a signal', () => {
  // `STOP_DEADLINE_MS` of src/main/ending.ts.
  expect(Number(unit.get('TimeoutStopSec')?.[0])).toBeGreaterThan(12);
  expect(unit.get('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID']);
});
