// `kvrocks-controller health`: asks the member that the configuration describes how it is, for probes of containers. No shell and no
// other program is needed for it.

import type { Config } from '../../config/config.ts';
import { isWildcard } from '../../topology/controller-address.ts';
import { complain } from '../complain.ts';

/** A member that lives answers within a moment; longer than any probe of a container should wait. */
const DEADLINE_MS = 4_000;

/** `live`: the process answers. `ready`: it takes requests, too. */
export type HealthQuestion = 'live' | 'ready';

const PATHS = { live: '/healthz', ready: '/readyz' } as const satisfies Record<HealthQuestion, string>;

/** The exit code: 0 when the answer is yes. Why it is not is said in one line. */
export async function askHealth(listen: Config['listen'], question: HealthQuestion): Promise<0 | 1> {
  const url = `http://${askedHost(listen.host)}:${listen.port}${PATHS[question]}`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS), redirect: 'error' });
    const text = await response.text();
    if (response.ok) return 0;
    complain(`${url} answers ${response.status}: ${text}`);
  } catch (error) {
    complain(`${url} does not answer: ${reasonOf(error)}`);
  }
  return 1;
}

/** Nobody is reached at a wildcard: who listens there listens at the loopback address, too. */
function askedHost(host: string): string {
  if (isWildcard(host)) return host.includes(':') ? '[::1]' : '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/** The built-in `fetch` only says that it failed; why is the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
