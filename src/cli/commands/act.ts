// What every command has in common.

import type { Session } from '../session.ts';

/** What a command does: with its arguments in their order, and its own flags. */
export type Perform = (
  session: Session,
  args: readonly string[],
  flags: Readonly<Record<string, unknown>>,
) => Promise<void>;

/** Makes an action of commander of it. */
export type Act = (perform: Perform) => (...given: unknown[]) => Promise<void>;
