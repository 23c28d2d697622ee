// Migrations as the API shows them.

import { expectStatus, type Scene } from './scene.ts';
import { InVainError, notYet, waitUntil } from './wait-until.ts';

export type ShownTask = Readonly<Record<string, unknown>>;

export async function taskShown(stage: Scene, cluster: string, id: number): Promise<ShownTask> {
  const answer = await stage.api.get(stage.path(cluster, `/migrations/${id}`));
  expectStatus(answer, 200);
  return answer.body.data.migration;
}

/** Waits until the task is in `state`; one that has ended otherwise is not waited for. */
export async function taskReached(
  stage: Scene,
  cluster: string,
  { id, state }: { readonly id: number; readonly state: string },
): Promise<ShownTask> {
  return waitUntil(`migration ${id} to be ${state}`, async () => {
    const task = await taskShown(stage, cluster, id);
    if (task['state'] === state) return task;
    if (task['ended_at'] !== null) throw new InVainError(JSON.stringify(task));
    return notYet(JSON.stringify(task));
  });
}

/** Waits until the task says why it does not come on. */
export async function taskWaits(
  stage: Scene,
  cluster: string,
  { id, reason }: { readonly id: number; readonly reason: RegExp },
): Promise<void> {
  await waitUntil(`migration ${id} to wait: ${reason.source}`, async () => {
    const task = await taskShown(stage, cluster, id);
    return reason.test(String(task['reason'])) ? true : notYet(JSON.stringify(task));
  });
}
