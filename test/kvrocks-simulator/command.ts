// What a command is.

import type { SimulatedNode } from './node.ts';
import type { Reply } from './resp.ts';
import type { Session } from './session.ts';

export interface Invocation {
  readonly node: SimulatedNode;
  readonly session: Session;
  /** The command's name first, as sent. */
  readonly args: readonly string[];
}

export interface Command {
  readonly name: string;
  /** Number of arguments with the name; negative is a minimum. */
  readonly arity: number;
  /** Refused on a replica, in the write-forbidden phase of a migration, ... */
  readonly write?: boolean;
  /** Answered while a full sync is restored. */
  readonly whileLoading?: boolean;
  /** Answered before AUTH. */
  readonly beforeAuth?: boolean;
  /** Runs inside MULTI instead of being queued. */
  readonly notQueued?: boolean;
  /** The keys whose slots are checked. */
  readonly keys?: (args: readonly string[]) => readonly string[];
  readonly run: (invocation: Invocation) => Reply | Promise<Reply>;
}

/** The usual place of a key. */
export function firstKey(args: readonly string[]): readonly string[] {
  return args.slice(1, 2);
}

export function allKeys(args: readonly string[]): readonly string[] {
  return args.slice(1);
}

/** The n-th argument, which the arity has promised. */
export function argument(args: readonly string[], index: number): string {
  return args[index] ?? '';
}
