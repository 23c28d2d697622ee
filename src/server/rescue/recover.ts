// A group that has lost a majority for good goes on as a new one, of the one member that knows most: out of that member's own data directory.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { Clock } from '../../base/clock.ts';
import { FEATURE_LEVEL } from '../../base/feature-level.ts';
import { type Random, randomHex } from '../../base/random.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Config } from '../../config/config.ts';
import { type ClusterId, randomClusterId } from '../../raft/cluster-id.ts';
import { logIndex, memberId, term } from '../../raft/core/types.ts';
import { makeNewGroup, setAside } from '../../raft/rescue/new-group.ts';
import { IDENTITY_FILE, keptName, readRecovering, settleRecovering } from '../../raft/wal/identity.ts';
import { nodeFileSystem as fileSystem } from '../../raft/wal/node-file-system.ts';
import { taskPromise } from '../../raft/wal/task.ts';
import { OBSERVED_LEVEL } from '../../registry/feature-level.ts';
import { observation } from '../../registry/observation.ts';
import { encodeTransaction } from '../../store/codec.ts';
import { type HeldCopy, holdCopy } from '../../store/level-open.ts';
import { type Look, lookAt } from './look.ts';

/** What is about to be done. The data directory is held until one of the two is called, once. */
export interface RecoveryPlan {
  readonly look: Look;
  /** An earlier call was interrupted: what was there is kept already. */
  readonly isResumed: boolean;
  carryOut(): Promise<Recovered>;
  giveUp(): Promise<void>;
}

export interface Recovered {
  readonly clusterId: ClusterId;
  /** The entry that the new group begins behind. */
  readonly index: number;
  /** The folder in which everything that was there is kept. */
  readonly keptIn: string;
}

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Reads the data directory of a member that does not run. Nothing is changed but files of LevelDB, which changes some whenever it opens; one in
 * which an earlier recovery was interrupted goes on where that was. The error is for people.
 */
export async function planRecovery(config: Config, parts: Parts): Promise<Result<RecoveryPlan, string>> {
  const { dataDir, featureLevel } = config.raft;
  if (featureLevel < OBSERVED_LEVEL)
    return err(
      `a recovered group works at feature level ${OBSERVED_LEVEL}, but raft.feature_level_max is ${featureLevel}; leave it out`,
    );
  const seen = existsSync(dataDir) ? await taskPromise(readRecovering(fileSystem, dataDir)) : null;
  if (seen === null && !existsSync(join(dataDir, IDENTITY_FILE)))
    return err(`no member has ever run with the data directory ${dataDir}; correct raft.data_dir`);
  const held = await hold(dataDir, seen);
  if (!held.ok) return held;
  try {
    const unfinished = await taskPromise(settleRecovering(fileSystem, dataDir));
    const look = await lookBefore(config, unfinished, held.value);
    const problem = levelProblem(look);
    if (problem !== null) throw new Error(problem);
    return ok({
      look,
      isResumed: unfinished !== null,
      carryOut: () => carryOut(config, { ...parts, look, unfinished, held: held.value }),
      giveUp: () => held.value.release(),
    });
  } catch (error) {
    await held.value.release();
    return err(error instanceof Error ? error.message : String(error));
  }
}

/** No process runs with the directory as long as its state is held here. */
async function hold(dataDir: string, unfinished: string | null): Promise<Result<HeldCopy, string>> {
  const isMoved = unfinished !== null && existsSync(join(dataDir, unfinished, 'state'));
  const held = await holdCopy(join(dataDir, isMoved ? unfinished : '', 'state'));
  if (held.ok) return held;
  return err(
    held.error.kind === 'dataDirectoryInUse'
      ? `the data directory ${dataDir} is in use by another process; stop that first`
      : `the data directory ${dataDir} cannot be opened: ${held.error.cause.message}`,
  );
}

async function lookBefore(
  { raft }: Config,
  unfinished: string | null,
  { position: copy }: HeldCopy,
): Promise<Look> {
  const expected = { memberId: memberId(raft.id), copy };
  if (unfinished === null) return lookAt(raft.dataDir, expected);
  // It was confirmed, and no start passes it any more.
  await taskPromise(setAside({ fileSystem, directory: raft.dataDir }, unfinished));
  return lookAt(join(raft.dataDir, unfinished), expected);
}

function levelProblem({ audit: { featureLevel } }: Look): string | null {
  if (featureLevel !== null && featureLevel <= FEATURE_LEVEL) return null;
  const found = featureLevel === null ? 'a level this release cannot read' : `feature level ${featureLevel}`;
  return `the group worked at ${found}, and this release understands level ${FEATURE_LEVEL} at most; use the release that it ran`;
}

async function carryOut(
  { raft, advertiseAddress }: Config,
  plan: Parts & {
    readonly look: Look;
    readonly unfinished: string | null;
    readonly held: HeldCopy;
  },
): Promise<Recovered> {
  const { look, unfinished, held, clock, random } = plan;
  const { survey, machine } = look;
  const position = { index: logIndex(survey.last.index + 1), term: term(survey.term + 1) };
  const nowSeconds = Math.floor(clock.wallMs() / 1000);
  // What the lost members alone knew may have changed at the nodes: as of a backup, nothing is done before somebody has looked.
  const first = observation(machine, { nowSeconds, requestId: randomHex(random, 32) });
  if (!first.ok) throw new Error(`the state cannot be gone on with: ${first.error}`);
  machine.apply([{ ...position, kind: 'command', data: encodeTransaction(first.value) }]);
  const kept = unfinished ?? keptName(survey.identity);
  try {
    const identity = await taskPromise(
      makeNewGroup({
        fileSystem,
        directory: raft.dataDir,
        kept,
        memberId: memberId(raft.id),
        address: advertiseAddress,
        clusterId: randomClusterId(random),
        position,
        chunks: machine.snapshot().chunks,
        clock,
        random,
      }),
    );
    return {
      clusterId: identity.clusterId,
      index: position.index,
      keptIn: join(raft.dataDir, kept),
    };
  } finally {
    await held.release();
  }
}
