// From the command line to what it asks for: a member, or something else.

import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/config.ts';
import { refuseToStart } from './complain.ts';
import { readConfigFile } from './config-file.ts';
import { readInvocation, type Flags } from './flags.ts';
import { askHealth } from './health.ts';
import type { ProcessSignals } from './signals.ts';

/** Resolves once the member runs or what was asked for instead is done, or ends the process. */
export async function run(signals: ProcessSignals): Promise<void> {
  const invocation = readInvocation();
  // What a running member does not need is loaded for who asks for it, and a probe that comes every few seconds must not cost what a start does.
  if (invocation.kind !== 'run') {
    const onStop = (): void => refuseToStart('interrupted; the same can be run again');
    signals.handle({ onStop, onIgnored: () => undefined });
  }
  if (invocation.kind === 'inspectData') {
    const { inspectData } = await import('./inspect-data.ts');
    process.exitCode = await inspectData(invocation.directories, invocation.isJson);
    return;
  }
  const { flags } = invocation;
  const config = readConfig(flags);
  switch (invocation.kind) {
    case 'health':
      process.exitCode = await askHealth(config.listen, invocation.question);
      return;
    case 'recover': {
      if (flags.restore !== undefined || flags.checkConfig)
        refuseToStart('recover goes with neither --restore nor --check-config');
      const { recover } = await import('./recover.ts');
      await recover(config, invocation.isYes);
      return;
    }
    default:
      await runOrCheck(config, { flags, signals });
  }
}

async function runOrCheck(
  config: Config,
  { flags, signals }: { readonly flags: Flags; readonly signals: ProcessSignals },
): Promise<void> {
  if (flags.checkConfig) {
    process.stdout.write('the configuration is good\n');
    if (config.withoutEffect.length > 0)
      process.stdout.write(`without effect here: ${config.withoutEffect.join(', ')}\n`);
    return;
  }
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
