// The two forms of an answer, and the client's wish for the object instead of a word.

import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

/** Success: `{"data": ...}`. */
export function answer(context: Context, data: unknown, status: ContentfulStatusCode = 200): Response {
  return context.json({ data }, status);
}

/** Every failure: `{"error":{"message":"..."}}`, and what else there is to know; upstream's client prints nothing without that object. */
export function refuse(
  context: Context,
  message: string,
  status: ContentfulStatusCode,
  more: object = {},
): Response {
  return context.json({ error: { message, ...more } }, status);
}

/** The same for whoever answers without the application. */
export function failureText(message: string): string {
  return JSON.stringify({ error: { message } });
}

/**
 * Answers `word` ("created", "ok"), or the object when the request says `Prefer: return=representation` (RFC 7240).
 */
export function answerChange(
  context: Context,
  change: { readonly word: unknown; readonly object: unknown; readonly status: ContentfulStatusCode },
): Response {
  if (!prefersRepresentation(context.req.header('Prefer')))
    return answer(context, change.word, change.status);
  context.header('Preference-Applied', 'return=representation');
  return answer(context, change.object, change.status);
}

function prefersRepresentation(header: string | undefined): boolean {
  return (header ?? '')
    .split(',')
    .some((preference) => /^\s*return\s*=\s*"?representation"?\s*(;|$)/i.test(preference));
}
