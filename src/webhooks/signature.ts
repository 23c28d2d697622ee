// By what a receiver knows who sent a body, and when.

import { createHmac } from 'node:crypto';

import type { Secret } from '../base/secret.ts';

/**
 * The time of the request, seconds since the Unix epoch, and `v1=` with the HMAC-SHA-256 of `<time>.<body>` in hexadecimal; no signature without a
 * secret. A receiver that refuses old times cannot be told an old body again.
 */
export function signatureHeaders(secret: Secret, body: string, atSeconds: number): Record<string, string> {
  const time = { 'x-kvrocks-controller-timestamp': String(atSeconds) };
  if (secret.isEmpty) return time;
  const mac = createHmac('sha256', secret.reveal()).update(`${atSeconds}.${body}`).digest('hex');
  return { ...time, 'x-kvrocks-controller-signature': `v1=${mac}` };
}
