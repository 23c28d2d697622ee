// What the leading controller tells people of a cluster, read from the logs of all members.

import type { LogLine, Trio } from './controller-process.ts';
import type { Scene } from './scene.ts';
import { notYet, waitUntil } from './wait-until.ts';

/** Lines with `event` about the clusters of this scene, in the order of their members. */
export function linesOf(trio: Trio, stage: Scene, event: string): readonly LogLine[] {
  return trio.logged(event).filter((line) => line['namespace'] === stage.namespace);
}

/** Waits until a problem of `kind`, about the node at `addr` and with `detail` if given, was told, and returns its first line. */
export async function problemTold(
  trio: Trio,
  stage: Scene,
  { kind, addr, detail }: { readonly kind: string; readonly addr?: string; readonly detail?: RegExp },
): Promise<LogLine> {
  return waitUntil(`the log to tell of ${kind}`, () => {
    const lines = linesOf(trio, stage, 'problem.found');
    const line = lines.find(
      (each) =>
        each['problem'] === kind &&
        (addr === undefined || each['addr'] === addr) &&
        (detail === undefined || detail.test(String(each['detail']))),
    );
    return line ?? notYet(lines);
  });
}

/** Waits until the copy at `addr` was seen made anew: its place and a link that is up come before that. */
export async function remadeTold(trio: Trio, stage: Scene, addr: string): Promise<void> {
  await waitUntil(`the log to tell that the copy at ${addr} is made anew`, () => {
    const lines = linesOf(trio, stage, 'copy.remake.committed');
    return lines.some((line) => JSON.stringify(line).includes(addr)) ? true : notYet(lines);
  });
}

/** The event that began last for `addr`: whether the problem of `kind` there is told as present now. */
export function isToldGone(trio: Trio, stage: Scene, kind: string): boolean {
  return linesOf(trio, stage, 'problem.gone').some((line) => String(line['problem']).startsWith(`${kind}/`));
}
