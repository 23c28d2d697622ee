// One data directory, read as a whole for people: what it knows, and how much of that is known to be committed.

import { type StateAudit, auditTask } from '../../backup/audit.ts';
import type { Logger } from '../../base/logger.ts';
import type { LogPosition, MemberId } from '../../raft/core/types.ts';
import { type MemberSurvey, surveyTask } from '../../raft/rescue/survey.ts';
import { nodeFileSystem } from '../../raft/wal/node-file-system.ts';
import { taskPromise } from '../../raft/wal/task.ts';
import { openMemoryMachine } from '../../store/memory-machine.ts';
import type { StoreStateMachine } from '../../store/state-machine.ts';

export interface Look {
  readonly survey: MemberSurvey;
  /** The state at the end of its log. */
  readonly machine: StoreStateMachine;
  readonly audit: StateAudit;
}

const nothing = (): void => undefined;
/** What a start would log is in the result, or is an error. */
const UNHEARD: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => UNHEARD,
};

/** Changes nothing in `directory`. `copy`: how far the state's own copy is, where that is known. Rejects with a line for people. */
export async function lookAt(
  directory: string,
  expected: { readonly memberId: MemberId | null; readonly copy: LogPosition | null },
): Promise<Look> {
  const machine = openMemoryMachine(setImmediate);
  const survey = await taskPromise(
    surveyTask({
      fileSystem: nodeFileSystem,
      directory,
      stateMachine: machine,
      logger: UNHEARD,
      ...expected,
    }),
  );
  const audit = await taskPromise(auditTask(machine, setImmediate));
  return { survey, machine, audit };
}
