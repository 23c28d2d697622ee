// What differs between two configurations, one of which may run, and what it takes to make them the same.

import { z } from 'zod';

import { printable } from '../../base/printable.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { Client } from '../../cli/client.ts';
import { Failure } from '../../cli/failure.ts';
import { changeText, type Change, compareSettings } from '../../config/compare.ts';
import { type Setting, SETTING_PATHS } from '../../config/settings.ts';
import { complain } from '../complain.ts';
import { readSources, type Told } from '../sources.ts';
import { VERB_EXIT, type VerbExit } from '../verb.ts';
import { tellProblems } from './check.ts';

/** Somebody at a prompt waits; one that is asked answers at once. */
const ASK_MS = 3000;

/** `GET /controller/config`, as far as it is compared. A controller of another release may have other settings. */
const answerSchema = z.object({
  settings: z.array(
    z.object({
      path: z.string(),
      value: z.union([z.string(), z.number(), z.array(z.string())]),
      source: z.object({ kind: z.string(), text: z.string() }),
    }),
  ),
});

export async function compareFiles(a: Told, b: Told): Promise<VerbExit> {
  const [before, after] = [readSources(a), readSources(b)];
  const problems = [before, after].flatMap((loaded) => (loaded.ok ? [] : loaded.error));
  if (!before.ok || !after.ok) return tellProblems(problems);
  const changes = compareSettings(before.value.settings, after.value.settings);
  return tellChanges(changes.map((change) => `${changeText(change)}  (${whenText(change)})`));
}

/** From what runs at `host` to the file. */
export async function compareWithRunning(file: Told, host: string): Promise<VerbExit> {
  const wanted = readSources(file);
  if (!wanted.ok) return tellProblems(wanted.error);
  const running = await settingsAt(host);
  if (!running.ok) {
    complain(running.error);
    return VERB_EXIT.refused;
  }
  const setBy = new Map<string, string>(
    running.value.flatMap(({ path, source: { kind, text } }) =>
      kind === 'flag' || kind === 'environment' ? [[path, text]] : [],
    ),
  );
  return tellChanges(
    compareSettings(running.value, wanted.value.settings).map((change) => {
      const above = setBy.get(change.path);
      const when = above === undefined ? whenText(change) : `never: ${printable(above)} counts there`;
      return `${changeText(change)}  (${when})`;
    }),
  );
}

type RunningSetting = Pick<Setting, 'path' | 'value'> & {
  readonly source: { readonly kind: string; readonly text: string };
};

async function settingsAt(host: string): Promise<Result<readonly RunningSetting[], string>> {
  try {
    const { data } = await new Client({ hosts: [host], timeoutMs: ASK_MS }).get('/controller/config');
    const answer = answerSchema.safeParse(data);
    if (!answer.success) return err(`${host}: the answer is none of a controller that can be compared`);
    const known = new Map(answer.data.settings.map((setting) => [setting.path, setting]));
    return ok(
      SETTING_PATHS.flatMap((path) => {
        const setting = known.get(path);
        return setting === undefined ? [] : [{ ...setting, path }];
      }),
    );
  } catch (error) {
    if (error instanceof Failure) return err(error.message);
    throw error;
  }
}

/** Nothing is said where nothing differs, as other tools that compare do. */
function tellChanges(lines: readonly string[]): VerbExit {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  return lines.length === 0 ? VERB_EXIT.ok : VERB_EXIT.differences;
}

function whenText({ isLive }: Change): string {
  return isLive ? 'on a reload' : 'after a restart';
}
