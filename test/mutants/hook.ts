// Loaded before a simulator (`node --import './test/mutants/hook.ts?mutant=<name>'`): plants one bug into the sources as they are
// loaded, also by the processes it starts. Production code has no switch for it.

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

import { CONTROL_MUTANTS } from './control.ts';
import { CONTROLLER_MUTANTS } from './controller.ts';
import { RAFT_MUTANTS } from './raft.ts';

const name = new URL(import.meta.url).searchParams.get('mutant') ?? '';
const mutant = RAFT_MUTANTS[name] ?? CONTROL_MUTANTS[name] ?? CONTROLLER_MUTANTS[name];
if (mutant === undefined) throw new Error(`there is no mutant "${name}"`);

const root = new URL('../../', import.meta.url);
const edits = new Map<string, string>();
for (const { file, find, replace } of mutant.edits) {
  const url = new URL(file, root).href;
  const source = edits.get(url) ?? readFileSync(fileURLToPath(url), 'utf8');
  const places = source.split(find).length - 1;
  if (places !== 1) {
    throw new Error(
      `mutant "${name}": its place is found ${places} times in ${file}, expected once:\n${find}`,
    );
  }
  edits.set(
    url,
    source.replace(find, () => replace),
  );
}

registerHooks({
  load(url, context, nextLoad) {
    const source = edits.get(url);
    if (source === undefined) return nextLoad(url, context);
    return { format: 'module-typescript', source, shortCircuit: true };
  },
});
