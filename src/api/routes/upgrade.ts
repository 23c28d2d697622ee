// The upgrade of the group: how far it is, and its last step.

import { Hono } from 'hono';

import { answer } from '../answers.ts';
import { readOptionalBody } from '../body.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import type { UpgradeStatus } from '../ports.ts';
import { finalizeBody } from '../schemas/group-bodies.ts';
import { changed } from './group.ts';

const FINALIZE = '/controller/upgrade/finalize';

/** Answered by every member: while one of an earlier release leads, only the others can. */
export function upgradeStatusRoutes({ upgrades }: Pick<ApiDependencies, 'upgrades'>): Hono {
  return new Hono()
    .get('/controller/upgrade', async (context) =>
      answer(context, { upgrade: renderUpgrade(await upgrades.status()) }),
    )
    .post(FINALIZE, async (_context, next) => {
      const older = await upgrades.olderLeader();
      if (older !== null) throw new ApiError('conflict', older);
      await next();
    });
}

/** For the leader. */
export function upgradeRoutes({ upgrades }: Pick<ApiDependencies, 'upgrades'>): Hono {
  return new Hono().post(FINALIZE, async (context) => {
    const { level, dry_run } = await readOptionalBody(context, finalizeBody);
    const finalized = changed(await upgrades.finalize({ level: level ?? null, isDryRun: dry_run }));
    return answer(context, { ...finalized, dry_run });
  });
}

function renderUpgrade(status: UpgradeStatus): unknown {
  const { release, level, highest, members, heldBy, next, off, wayBack } = status;
  return {
    release,
    level,
    highest,
    members: members.map((member) => ({
      id: member.id,
      addr: member.address,
      release: member.release,
      level: member.level,
      reached: member.fault === null,
      error: member.fault,
    })),
    held_by: heldBy,
    next,
    off,
    way_back: wayBack,
  };
}
