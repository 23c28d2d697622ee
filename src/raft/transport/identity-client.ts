// Asks a member who it is: how a member that joins learns which cluster it is about to enter.

import type { LookupFunction } from 'node:net';

import { Client } from 'undici';
import { z } from 'zod';

import type { Clock } from '../../base/clock.ts';
import { FIRST_FEATURE_LEVEL } from '../../base/feature-level.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { clusterId, isClusterId, type ClusterId } from '../cluster-id.ts';
import { incarnation, isIncarnation, memberId, type Incarnation, type MemberId } from '../core/types.ts';
import type { PeerOrigin } from './peer-address.ts';

/** Far above any identity. */
const BODY_BYTES_MAX = 4096;

/** What a member says of itself at `GET /raft/identity`. */
export interface PeerIdentity {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly incarnation: Incarnation;
  readonly state: 'initialising' | 'ready' | 'removed';
  /** What it supports. Releases from before there were levels do not say it. */
  readonly featureLevel: number;
  /** Which release it runs, for people; null of one from before it was said. */
  readonly release: string | null;
  /** Its wall clock when it answered, milliseconds since the Unix epoch; null of earlier releases. */
  readonly wallMs: number | null;
  /** What its state was after some of the last entries; none of earlier releases. */
  readonly marks: readonly { readonly index: number; readonly hash: string }[];
}

/** Fields a later release may add are ignored. */
const identitySchema: z.ZodType<PeerIdentity> = z.object({
  clusterId: z.string().refine(isClusterId).transform(clusterId),
  memberId: z.int().positive().transform(memberId),
  incarnation: z.string().refine(isIncarnation).transform(incarnation),
  state: z.enum(['initialising', 'ready', 'removed']),
  featureLevel: z.int().positive().default(FIRST_FEATURE_LEVEL),
  release: z.string().nullable().default(null),
  wallMs: z.number().nullable().default(null),
  marks: z.array(z.object({ index: z.int().positive(), hash: z.string().max(64) })).default([]),
});

/** What asking needs. */
export interface IdentityParts {
  readonly clock: Clock;
  readonly lookup: LookupFunction;
  /** Ends the waiting. */
  readonly abandoned?: AbortSignal;
}

/**
 * The identity of the member at `origin`; the error, also after `deadlineMs` or once `abandoned` fires, is a phrase for people.
 * Never rejects.
 */
export async function fetchIdentity(
  origin: PeerOrigin,
  deadlineMs: number,
  { clock, lookup, abandoned }: IdentityParts,
): Promise<Result<PeerIdentity, string>> {
  const client = new Client(origin, { connect: { lookup } });
  const deadline = new AbortController();
  const timer = clock.setTimer(deadlineMs, () => deadline.abort(new Error(`no answer in ${deadlineMs} ms`)));
  try {
    const { statusCode, body } = await client.request({
      path: '/raft/identity',
      method: 'GET',
      signal: abandoned === undefined ? deadline.signal : AbortSignal.any([deadline.signal, abandoned]),
    });
    let text = '';
    for await (const chunk of body) {
      text += String(chunk);
      if (text.length > BODY_BYTES_MAX) return err(`${origin} is no member: its answer is too long`);
    }
    if (statusCode !== 200) return err(`${origin} answered ${statusCode}`);
    return ok(identitySchema.parse(JSON.parse(text)));
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError)
      return err(`${origin} is no member: its answer cannot be read`);
    return err(`${origin} cannot be asked: ${error instanceof Error ? error.message : 'unknown'}`);
  } finally {
    timer.cancel();
    await client.destroy();
  }
}
