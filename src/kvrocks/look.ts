// How one look goes: usually three commands in one write, in two steps when login and settings are due or the node is fragile.

import { ok, type Result } from '../base/result.ts';
import type { LoginState, NodeReport } from '../control/observation.ts';
import { parseClusterNodes } from '../topology/cluster-nodes-text.ts';
import type { NodeAddress } from '../topology/types.ts';
import {
  emptiesBeforeFullSync,
  followed,
  followedAddress,
  hasPassword,
  yesNoOf,
} from './commands/config-get.ts';
import { clusterNodes } from './commands/cluster-nodes.ts';
import { diskUsed } from './commands/info-keyspace.ts';
import {
  type Place,
  parsePlace,
  parsePosition,
  PLACE_WORDS,
  type Position,
  POSITION_WORDS,
  PROBE_WORDS,
} from './commands/probe.ts';
import { slotService } from './commands/slot-service.ts';
import type { Session } from './connection.ts';
import { ask, final, replyAt, send } from './exchange.ts';
import type { LinkFailure } from './link.ts';
import type { Reply } from './reply.ts';

/**
 * Milliseconds between two checks of what a lasting connection does not show by itself: a changed password (facts section
 * 14) and a changed setting. Long enough to cost a thousand nodes 33 more commands a second; a failover that finds the
 * password wrong has usually been warned minutes before.
 */
const CHECK_INTERVAL_MS = 30_000;

/** Whether `master` lists the node on the other end of this session as its replica. */
export type ProofOfReplica = (master: NodeAddress, session: Session) => Promise<boolean>;

export interface LookOptions {
  /** Of a node with a higher version the topology is asked for, too. */
  readonly knownVersion: number;
  readonly isListedBy: ProofOfReplica;
}

/** One look at the node. */
export async function look(
  session: Session,
  { knownVersion, isListedBy }: LookOptions,
): Promise<Result<NodeReport, LinkFailure>> {
  const report = await lookOnce(session, isListedBy);
  if (!report.ok || report.value.version <= knownVersion) return report;
  return ok({ ...report.value, topology: await topologyAt(session, report.value.version) });
}

/** The topology behind a version is asked for once a link: it may be long. */
async function topologyAt(
  session: Session,
  version: number,
): Promise<NonNullable<NodeReport['topology']> | null> {
  const { notes } = session;
  if (notes.topology?.version === version) return notes.topology.lines;
  const text = await ask(session, clusterNodes);
  const lines = text.ok ? parseClusterNodes(text.value) : null;
  const known = lines?.ok === true ? lines.value : null;
  if (text.ok) notes.topology = { version, lines: known };
  return known;
}

async function lookOnce(
  session: Session,
  isListedBy: ProofOfReplica,
): Promise<Result<NodeReport, LinkFailure>> {
  const { notes, clock } = session;
  const isCheckDue = clock.monotonicMs() - notes.checkedAtMs >= CHECK_INTERVAL_MS;
  if (!isCheckDue && notes.emptiesBeforeFullSync !== true) {
    const outcome = await send(session, { commands: PROBE_WORDS });
    if (!outcome.ok) return outcome;
    const place = parsePlace(outcome.value);
    if (!place.ok) return final(place.error);
    return withHandOver(session, reportOf(session, place.value, replyAt(outcome.value, PLACE_WORDS.length)));
  }
  return withHandOver(session, await lookInSteps(session, isCheckDue, isListedBy));
}

/**
 * A source says `success` of its last job for ever (facts section 5.2). Whether that hand-over is in effect, so that the target has the newest
 * writes, or was undone since, shows only in how it treats clients of those slots.
 */
async function withHandOver(
  session: Session,
  report: Result<NodeReport, LinkFailure>,
): Promise<Result<NodeReport, LinkFailure>> {
  if (!report.ok || report.value.sourceJob?.state !== 'success') return report;
  const { sourceJob } = report.value;
  const service = await ask(session, slotService(sourceJob.range.start));
  const isInEffect = service.ok ? service.value.kind === 'moved' : null;
  return ok({ ...report.value, sourceJob: { ...sourceJob, isInEffect } });
}

/** Place and settings first, the position only when the settings allow it or it is certain that the data is there. */
async function lookInSteps(
  session: Session,
  isCheckDue: boolean,
  isListedBy: ProofOfReplica,
): Promise<Result<NodeReport, LinkFailure>> {
  const { notes, endpoint, clock, isFenced } = session;
  const asksPassword = isCheckDue && endpoint.password.isEmpty && !isFenced;
  const outcome = await send(session, {
    commands: [
      ...PLACE_WORDS,
      emptiesBeforeFullSync.words,
      followed.words,
      ...(asksPassword ? [hasPassword.words] : []),
    ],
    isLoginChecked: isCheckDue,
  });
  if (!outcome.ok) return outcome;
  const [, , emptiesReply, followedReply, passwordReply] = outcome.value;
  const place = parsePlace(outcome.value);
  if (!place.ok) {
    if (place.error.kind === 'loading') notes.isDataOpen = false;
    return final(place.error);
  }
  if (emptiesReply !== undefined)
    notes.emptiesBeforeFullSync = yesNoOf(emptiesBeforeFullSync.parse(emptiesReply));
  if (passwordReply !== undefined) {
    const password = hasPassword.parse(passwordReply);
    if (password.ok) notes.isPasswordMissing = password.value;
  }
  if (isCheckDue) notes.checkedAtMs = clock.monotonicMs();
  const master = followedReply === undefined ? null : followedAddress(followed.parse(followedReply));
  if (await mayBeClosed(session, master, isListedBy)) return final(FRAGILE);
  const position = await send(session, {
    commands: [POSITION_WORDS, ...(isCheckDue ? [diskUsed.words] : [])],
  });
  if (!position.ok) return position;
  if (isCheckDue) {
    const percent = diskUsed.parse(replyAt(position.value, 1));
    notes.diskUsedPercent = percent.ok ? percent.value : null;
  }
  return reportOf(session, place.value, replyAt(position.value, 0));
}

/**
 * A replica that emptied its data for a full sync which then failed has none open, says so nowhere, and dies of being asked
 * for its position (facts section 3.4). It is in no such state when it is a master, when it told its position over this
 * link and has not synced since, or when its master lists it. Between two looks it could only get there by a full sync
 * that begins and fails; what dies then holds no data any more.
 */
async function mayBeClosed(
  session: Session,
  master: NodeAddress | null,
  isListedBy: ProofOfReplica,
): Promise<boolean> {
  const { notes } = session;
  if (notes.emptiesBeforeFullSync !== true || master === null || notes.isDataOpen) return false;
  return !(await isListedBy(master, session));
}

const FRAGILE = {
  kind: 'fragile',
  message:
    'not asked for its position: with slave-empty-db-before-fullsync yes a replica whose full sync failed would die of it, ' +
    'and no master confirms that this one is complete; restart it or bring its master back, and set slave-empty-db-before-fullsync no',
} as const;

function reportOf(session: Session, place: Place, reply: Reply): Result<NodeReport, LinkFailure> {
  const { notes } = session;
  const position = parsePosition(reply);
  notes.isDataOpen = position.ok && !position.value.syncInProgress;
  if (!position.ok) return final(position.error);
  return ok(joined(session, place, position.value));
}

function joined({ link, notes, isFenced }: Session, place: Place, position: Position): NodeReport {
  const login: LoginState = notes.isPasswordMissing ? 'refused' : link.login;
  const { diskUsedPercent } = notes;
  const settings = {
    emptiesBeforeFullSync: notes.emptiesBeforeFullSync,
    ...(diskUsedPercent === null ? {} : { diskUsedPercent }),
  };
  return { ...place, ...position, login, ...settings, isFenced };
}
