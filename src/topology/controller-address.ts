// Where another controller is: written as `host:port`, or as the URL that tools of earlier controllers write.

import { err, type Result } from '../base/result.ts';
import { quoted } from '../base/printable.ts';
import { addressParts, parseAddress } from './node.ts';
import type { NodeAddress } from './types.ts';

/** Addresses at which a machine listens but nobody reaches it: every one of its own. */
const WILDCARD_HOSTS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '::ffff:0:0']);

/** True when `host`, bare and in canonical form, stands for all addresses of a machine. */
export function isWildcard(host: string): boolean {
  return WILDCARD_HOSTS.has(host);
}

/** Whether an address is that of a machine for itself; null for a name, of which nobody knows that. */
export function isLoopback(address: NodeAddress): boolean | null {
  const { host } = addressParts(address);
  if (host === 'localhost' || host === '::1') return true;
  if (host.includes(':')) return false;
  return /^[\d.]+$/.test(host) ? host.startsWith('127.') : null;
}

/** Reads `host:port` or `http://host:port/`; the error is a clause for people that begins with what was read. */
export function parseControllerAddress(text: string): Result<NodeAddress, string> {
  const [, scheme, rest = text] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? [];
  if (scheme !== undefined && scheme.toLowerCase() !== 'http')
    return err(`${quoted(text)}: controllers speak plain HTTP among themselves; write host:port`);
  const hostAndPort = scheme !== undefined && rest.endsWith('/') ? rest.slice(0, -1) : rest;
  if (hostAndPort.startsWith('*:')) return err(wildcard(text));
  const address = parseAddress(hostAndPort);
  if (!address.ok) return err(`expected host:port, got ${quoted(text)}`);
  return isWildcard(addressParts(address.value).host) ? err(wildcard(text)) : address;
}

function wildcard(text: string): string {
  return `${quoted(text)} stands for every address of a machine, so others cannot reach it there; write the one they shall use`;
}
