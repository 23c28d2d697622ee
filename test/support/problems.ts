// What the leading controller tells people of a cluster, read from the logs of all members.

import type { LogLine, Trio } from './controller-process.ts';
import type { Scene } from './scene.ts';
import { notYet, waitUntil } from './wait-until.ts';

/** Lines with `event` about the clusters of this scene, in the order of their members. */
export function linesOf(trio: Trio, stage: Scene, event: string): readonly LogLine[] {
  return trio.logged(event).filter((line) => line['namespace'] === stage.namespace);
}

/** Waits until a problem of `kind`, about the node at `addr` if given, was told, and returns its first line. */
export async function problemTold(
  trio: Trio,
  stage: Scene,
  { kind, addr }: { readonly kind: string; readonly addr?: string },
): Promise<LogLine> {
  return waitUntil(`the log to tell of ${kind}`, () => {
    const lines = linesOf(trio, stage, 'problem.found');
    const line = lines.find(
      (each) => each['problem'] === kind && (addr === undefined || each['addr'] === addr),
    );
    return line ?? notYet(lines);
  });
}

/** The event that began last for `addr`: whether the problem of `kind` there is told as present now. */
export function isToldGone(trio: Trio, stage: Scene, kind: string): boolean {
  return linesOf(trio, stage, 'problem.gone').some((line) => String(line['problem']).startsWith(`${kind}/`));
}
