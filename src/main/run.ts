// From the command line to what it asks for: a member, or an answer.

import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/config.ts';
import { refuseToStart } from './complain.ts';
import { readConfigFile } from './config-file.ts';
import { readFlags, type Flags } from './flags.ts';
import { askHealth } from './health.ts';
import type { ProcessSignals } from './signals.ts';

/** Resolves once the member runs or the question is answered, or ends the process. */
export async function run(signals: ProcessSignals): Promise<void> {
  const flags = readFlags();
  const config = readConfig(flags);
  if (flags.checkConfig) {
    process.stdout.write('the configuration is good\n');
    if (config.withoutEffect.length > 0)
      process.stdout.write(`without effect here: ${config.withoutEffect.join(', ')}\n`);
    return;
  }
  if (flags.health !== null) {
    process.exitCode = await askHealth(config.listen, flags.health);
    return;
  }
  // Loaded for a member only: a probe that comes every few seconds must not cost what a start does.
  const { runMember } = await import('./member.ts');
  await runMember(config, { signals, restoreFrom: flags.restore ?? null });
}

function readConfig(flags: Flags): Config {
  const file = flags.config === undefined ? null : readConfigFile(flags.config);
  if (file !== null && !file.ok) return refuseToStart(file.error);
  const config = loadConfig({
    file: file === null ? null : file.value,
    environment: process.env,
    flags: flags.set,
  });
  return config.ok ? config.value : refuseToStart(config.error);
}
