// Fields that bodies of several kinds have.

import { z } from 'zod';

/**
 * Addresses in one request: a thousand shards of five nodes. Larger clusters grow by requests for shards; the record of a cluster,
 * which has at most 1 MiB, ends not far above.
 */
export const NODES_MAX = 5000;

export const OBJECT = 'expected a JSON object';

export const text = z.string('expected text');
export const addresses = listOf('"host:port" texts', z.string('expected a "host:port" text'), {
  least: 'expected at least one "host:port"',
  countMax: NODES_MAX,
});
export const password = z
  .string('expected text')
  .default('')
  .describe('What the nodes have as `requirepass`; it is never answered.');

/** A wish of the client that is off unless it says so. */
export const wish = z.boolean('expected true or false').default(false);

export const remake = wish.describe(
  'Replicas bring data that is thrown away and made anew from their masters.',
);

export const dry_run = wish.describe('Answers the plan and changes nothing.');

/** The length is checked before any element: a megabyte of wrong ones would make as many complaints. */
export function listOf<Element extends z.ZodType>(
  what: string,
  element: Element,
  { least, countMax }: { readonly least: string; readonly countMax: number },
) {
  return z
    .array(z.unknown(), `expected a list of ${what}`)
    .min(1, least)
    .max(countMax, `expected at most ${countMax} in one request`)
    .pipe(z.array(element));
}
