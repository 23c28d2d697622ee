// What the load generator asks for: the same two kinds of work of both systems.

import { requestText } from './raw-client.ts';

export type SystemName = 'controller' | 'etcd';
/** `write`: one new key a request. `read`: one linearizable read of a key that exists. */
export type Work = 'write' | 'read';

/** One measurement: `connections` callers, each with one request under way at any time, for `seconds`. */
export interface LoadJob {
  readonly system: SystemName;
  readonly work: Work;
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Begins every name that this job writes, so that no name is written twice in a run; for reads, the name that is read. */
  readonly prefix: string;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly answered: number;
  readonly failed: number;
  /** Longest time between two accepted answers over all connections, milliseconds. */
  readonly longestGapMs: number;
  /** The first answer that was not a success, for people. */
  readonly firstFailure: string | null;
}

/** Bytes of the value that a write gives etcd, as in its published measurements. */
const ETCD_VALUE_BYTES = 256;

/** Makes the text of the request number `sequence` of a job. */
export function requestMaker(job: LoadJob): (sequence: number) => string {
  const host = `${job.host}:${job.port}`;
  if (job.system === 'etcd') return etcdRequest(job, host);
  if (job.work === 'read') {
    const text = requestText('GET', `/api/v1/namespaces/${job.prefix}`, host, '');
    return () => text;
  }
  return (sequence) =>
    requestText('POST', '/api/v1/namespaces', host, `{"namespace":"${job.prefix}${sequence}"}`);
}

function etcdRequest(job: LoadJob, host: string): (sequence: number) => string {
  if (job.work === 'read') {
    // Linearizable unless `serializable` is set.
    const text = requestText('POST', '/v3/kv/range', host, `{"key":"${base64(job.prefix)}"}`);
    return () => text;
  }
  const value = Buffer.alloc(ETCD_VALUE_BYTES, 'v').toString('base64');
  return (sequence) =>
    requestText(
      'POST',
      '/v3/kv/put',
      host,
      `{"key":"${base64(job.prefix + String(sequence))}","value":"${value}"}`,
    );
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
