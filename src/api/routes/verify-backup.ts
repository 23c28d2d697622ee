// A backup that somebody holds, judged by the release that runs here.

import { Hono } from 'hono';

import { unreachable } from '../../base/assert.ts';
import { answer } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, badRequest, tooLarge } from '../errors.ts';
import { bodyOf } from '../middleware/limits.ts';
import type { BackupVerdict } from '../ports.ts';
import { ClientLeftError } from '../request-bodies.ts';

/** Any member answers: nothing of its group is asked, and a body of this size is better not sent twice. */
export function verifyBackupRoutes({ backupVerifier }: Pick<ApiDependencies, 'backupVerifier'>): Hono {
  return new Hono().post('/controller/verify-backup', async (context) => {
    const body = bodyOf(context);
    if (body === null) throw badRequest('the body is empty, expected a backup');
    try {
      const verified = await backupVerifier.verify(body);
      if (!verified.ok) throw refusalOf(verified.error);
      return answer(context, verified.value);
    } catch (error) {
      if (body.readableEnded || !body.destroyed) throw error;
      throw new ClientLeftError('the client left before its backup was whole', { cause: error });
    }
  });
}

function refusalOf(verdict: BackupVerdict): ApiError {
  switch (verdict.kind) {
    case 'refused':
      return badRequest(verdict.reason);
    case 'tooLarge':
      return tooLarge(verdict.bytesMax);
    case 'overloaded':
      return new ApiError('overloaded', 'another backup is being read here, please retry later');
    default:
      return unreachable(verdict);
  }
}
