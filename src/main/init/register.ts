// `init`: the words; what it does is loaded when it is wanted.

import type { RegisterVerbs } from '../verb.ts';
import type { InitFlags } from './init.ts';

export const registerInit: RegisterVerbs = (program, choose, onMisuse) => {
  program
    .command('init')
    .description(
      'writes the configurations of a new group, with systemd units, a compose file and Helm values',
    )
    .requiredOption(
      '--members <a,b,c>',
      'host:port at which the others reach each member (port 9379 when left out); three or five of them',
    )
    .requiredOption('--out <dir>', 'folder to write to; must be empty, or not be there')
    .option(
      '--data-dir <dir>',
      'where the members keep their data, each in a folder with its number [/var/lib/kvrocks-controller; of members on 127.0.0.x, below --out]',
    )
    .exitOverride(onMisuse)
    .addHelpText(
      'after',
      '\nExample: kvrocks-controller init --members 10.0.0.1,10.0.0.2,10.0.0.3 --out controllers' +
        '\nTo try: kvrocks-controller init --members 127.0.0.1:9379,127.0.0.1:9380,127.0.0.1:9381 --out try',
    )
    .action((flags: InitFlags) => choose(async () => (await import('./init.ts')).init(flags)));
};
