// A master's word that a replica is complete: asked when the replica itself must not be.

import { ok, type Result } from '../base/result.ts';
import { addressParts } from '../topology/node.ts';
import { emptiesBeforeFullSync, followed, followedAddress, yesNoOf } from './commands/config-get.ts';
import { followers } from './commands/followers.ts';
import type { Session } from './connection.ts';
import { ask, replyAt, send } from './exchange.ts';
import type { LinkFailure } from './link.ts';

/**
 * Whether the master at the other end of `session` lists `replica`. The master may itself be a replica that must not be
 * asked; its word counts for nothing then.
 */
export async function isListed(session: Session, replica: Session): Promise<Result<boolean, LinkFailure>> {
  const settings = await send(session, { commands: [emptiesBeforeFullSync.words, followed.words] });
  if (!settings.ok) return settings;
  const empties = yesNoOf(emptiesBeforeFullSync.parse(replyAt(settings.value, 0)));
  const follows = followedAddress(followed.parse(replyAt(settings.value, 1)));
  if (empties === true && follows !== null) return ok(false);
  const listed = await ask(session, followers);
  if (!listed.ok) return listed;
  const { host, port } = addressParts(replica.endpoint.address);
  const hosts = new Set([host, plainAddress(replica.link.remoteAddress ?? host)]);
  return ok(
    listed.value.some((follower) => follower.port === port && hosts.has(plainAddress(follower.host))),
  );
}

/** An IPv4 address that a dual-stack socket shows as IPv6, as IPv4. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
