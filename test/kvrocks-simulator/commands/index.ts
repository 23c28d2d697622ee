// The command table.

import type { Command } from '../command.ts';
import { AUTH, HELLO } from './auth.ts';
import { CLIENT } from './client.ts';
import { CLUSTER } from './cluster.ts';
import { CLUSTERX } from './clusterx.ts';
import { CONFIG } from './config.ts';
import { EVAL } from './eval.ts';
import { INFO } from './info.ts';
import { KEY_COMMANDS } from './keys.ts';
import { REPLICATION_COMMANDS } from './replication.ts';
import { createCommandCommand, SERVER_COMMANDS } from './server.ts';
import { SIMULATOR } from './simulator.ts';
import { STRING_COMMANDS } from './strings.ts';

const TABLE: ReadonlyMap<string, Command> = new Map(
  [
    AUTH,
    HELLO,
    CLIENT,
    CLUSTER,
    CLUSTERX,
    CONFIG,
    EVAL,
    INFO,
    SIMULATOR,
    createCommandCommand((name) => findCommand(name)),
    ...KEY_COMMANDS,
    ...REPLICATION_COMMANDS,
    ...SERVER_COMMANDS,
    ...STRING_COMMANDS,
  ].map((command) => [command.name, command]),
);

/** `name` in lower case. */
export function findCommand(name: string): Command | undefined {
  return TABLE.get(name);
}
