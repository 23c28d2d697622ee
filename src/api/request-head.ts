// The head of a request before anybody acts on it: the forms that HTTP allows are made one, what is contradictory is refused.

import type { IncomingMessage } from 'node:http';

import { excerpt } from '../base/excerpt.ts';

/** By which name a client calls this member means nothing here, so all requests get the same one. */
const HOST = 'localhost';
/** `http://host:port/path?query`, as proxies send it. A host that names a user as well is none that any client means. */
const ABSOLUTE_TARGET = /^https?:\/\/[^/?#@]+(?<path>[/?][^#]*)?$/i;

/** In which way a request makes no sense: the values of one metric label. */
export type HeadRejection = 'host' | 'target' | 'size' | 'unreadable';

export interface HeadProblem {
  readonly reason: HeadRejection;
  /** A sentence. */
  readonly message: string;
}

/**
 * Why `request` is refused (400); null when it is served. Then its target starts with "/", and its Host is one that every
 * parser of addresses takes: balancers check health without a Host, or with one of their own making.
 */
export function settleHead(request: IncomingMessage): HeadProblem | null {
  const target = originForm(request.url ?? '');
  if (target === null)
    return {
      reason: 'target',
      message: `the request target must start with "/", not be ${JSON.stringify(excerpt(request.url ?? ''))}`,
    };
  const hosts = request.rawHeaders.filter((name, place) => place % 2 === 0 && name.toLowerCase() === 'host');
  if (hosts.length > 1) return { reason: 'host', message: 'the request has more than one Host' };
  if (hosts.length === 0 && request.httpVersion === '1.1')
    return { reason: 'host', message: 'the request has no Host' };
  const coding = request.headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    return {
      reason: 'unreadable',
      message: `of the transfer encodings only "chunked" is taken, not ${JSON.stringify(excerpt(coding))}`,
    };
  request.url = target;
  request.headers.host = HOST;
  return null;
}

/** The path and query of a target; null for the forms that name no path. */
function originForm(target: string): string | null {
  if (target.startsWith('/')) return target;
  const absolute = ABSOLUTE_TARGET.exec(target);
  if (absolute === null) return null;
  const path = absolute.groups?.['path'] ?? '/';
  return path.startsWith('/') ? path : `/${path}`;
}
