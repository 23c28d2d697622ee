// The group of controllers, their configuration, their state as a file, their API as it is; and what is kvctl's own.

import type { Command } from 'commander';

import { readVersion } from '../../main/version.ts';
import type { Act } from './act.ts';
import { registerApi } from './api-call.ts';
import { registerBackup } from './backup.ts';
import { registerConfiguration } from './configuration.ts';
import { registerCompletion } from './completion.ts';
import { registerContexts } from './contexts-command.ts';
import { registerDoctor } from './doctor.ts';
import { registerRaft } from './raft.ts';
import { registerUpgrade } from './upgrade.ts';

export function registerGroup(program: Command, act: Act): void {
  registerRaft(program, act);
  registerUpgrade(program, act);
  registerBackup(program, act);
  registerConfiguration(program, act);
  registerDoctor(program, act);
  registerApi(program, act);
  registerContexts(program);
  registerVersion(program, act);
  registerCompletion(program);
}

function registerVersion(program: Command, act: Act): void {
  program
    .command('version')
    .description('which release this is')
    .option('--server', 'what the group of controllers understands, too')
    .addHelpText('after', '\nExample: kvctl version --server')
    .action(
      act(async (session, _, { server }) => {
        const version = readVersion();
        if (server !== true)
          return session.output.done(`kvctl ${version}`, { client: { version } }, [version]);
        const { data } = await session.client.get('/raft/peers');
        const { featureLevel, members } = data as {
          featureLevel: number;
          members: readonly { id: number; featureLevel: number | null }[];
        };
        const levels = members.map(({ id, featureLevel: level }) => ({ id, feature_level: level }));
        await session.output.done(
          `kvctl ${version}, controllers at feature level ${featureLevel}`,
          { client: { version }, server: { feature_level: featureLevel, members: levels } },
          [version],
        );
      }),
    );
}
