#!/usr/bin/env node
// kvctl: the command line for people and scripts. What a command needs is loaded when it is run, so that `--help` is there at once.

import { enableCompileCache } from 'node:module';

import { refuseOldNode } from '../main/node-version.ts';

refuseOldNode('kvctl');
enableCompileCache();
const { run } = await import('./run.ts');
process.exitCode = await run(process.argv.slice(2));
