// CLUSTER INFO: the topology version and the last or current slot migration (facts sections 2.4 and 5.2).

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError, SourceJob, TargetJob } from '../../control/observation.ts';
import { parseNodeId } from '../../topology/node.ts';
import { parseSlotRange } from '../../topology/slot.ts';
import type { SlotRange } from '../../topology/types.ts';
import { malformedReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import { fieldsOf, type NodeCommand, textOf } from './command.ts';

export interface ClusterInfo {
  /** `cluster_current_epoch`; -1 on a node without a topology. */
  readonly version: number;
  readonly sourceJob: SourceJob | null;
  readonly targetJob: TargetJob | null;
}

const NAME = 'CLUSTER INFO';
const NO_TOPOLOGY: ClusterInfo = { version: -1, sourceJob: null, targetJob: null };
const SOURCE_STATES = ['start', 'success', 'fail', 'none'] as const;
const TARGET_STATES = ['start', 'success', 'error', 'none'] as const;

/** A node that was never given a topology answers with an error, which is a fact about it and no failure. */
export const clusterInfo: NodeCommand<ClusterInfo> = {
  words: ['CLUSTER', 'INFO'],
  parse(reply: Reply): Result<ClusterInfo, NodeError> {
    const text = textOf(reply, NAME);
    if (!text.ok) return text.error.kind === 'notInitialized' ? ok(NO_TOPOLOGY) : text;
    const fields = fieldsOf(text.value);
    const version = versionOf(fields.get('cluster_current_epoch'));
    if (version === null || version < -1)
      return err(malformedReply(`${NAME} without cluster_current_epoch`, text.value));
    const sourceJob = sourceJobOf(fields);
    if (!sourceJob.ok) return sourceJob;
    const targetJob = targetJobOf(fields);
    if (!targetJob.ok) return targetJob;
    return ok({ version, sourceJob: sourceJob.value, targetJob: targetJob.value });
  },
};

/** Longest number the server can print: it keeps versions in 64 bits. */
const VERSION_DIGITS_MAX = 19;

/**
 * The server takes any 64-bit version (facts section 2.2), also one that no double holds. It is reported as the largest
 * that one does: a node with a version that cannot be passed is a fact about the node, not a broken reply.
 */
function versionOf(text: string | undefined): number | null {
  if (text === undefined || !/^-?\d+$/.test(text) || text.length > VERSION_DIGITS_MAX + 1) return null;
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

/** The state stays that of the last job until the next one or a restart, so slot and destination matter as much. */
function sourceJobOf(fields: ReadonlyMap<string, string>): Result<SourceJob | null, NodeError> {
  const range = jobRange(fields, 'migrating_slot');
  if (!range.ok) return range;
  if (range.value === null) return ok(null);
  const destinationText = fields.get('destination_node') ?? '';
  const destination = parseNodeId(destinationText);
  if (!destination.ok) return err(malformedReply(`${NAME} with destination_node`, destinationText));
  const stateText = fields.get('migrating_state');
  const state = SOURCE_STATES.find((known) => known === stateText);
  if (state === undefined) return err(malformedReply(`${NAME} with migrating_state`, stateText));
  return ok({ range: range.value, destination: destination.value, state });
}

function targetJobOf(fields: ReadonlyMap<string, string>): Result<TargetJob | null, NodeError> {
  const range = jobRange(fields, 'importing_slot');
  if (!range.ok) return range;
  if (range.value === null) return ok(null);
  const stateText = fields.get('import_state');
  const state = TARGET_STATES.find((known) => known === stateText);
  if (state === undefined) return err(malformedReply(`${NAME} with import_state`, stateText));
  return ok({ range: range.value, state });
}

/** Older releases write `migrating_slot:`, newer ones `migrating_slot(s):`; `-1` means no job. */
function jobRange(fields: ReadonlyMap<string, string>, key: string): Result<SlotRange | null, NodeError> {
  const text = fields.get(`${key}(s)`) ?? fields.get(key);
  if (text === undefined || text === '-1') return ok(null);
  const range = parseSlotRange(text);
  return range.ok ? range : err(malformedReply(`${NAME} with ${key}`, text));
}
