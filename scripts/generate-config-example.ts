// Writes config.example.yaml from the schema; with --check only says whether it is up to date.

import { readFileSync, writeFileSync } from 'node:fs';

import { exampleConfig } from '../src/config/example.ts';

const file = new URL('../config.example.yaml', import.meta.url);
const text = exampleConfig();
if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== text) {
    console.error('config.example.yaml is out of date: run "npm run generate"');
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, text);
}
