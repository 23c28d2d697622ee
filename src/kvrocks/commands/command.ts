// The shape of every command: what is sent and how the reply is read.

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import { classifyErrorReply, malformedReply } from '../errors.ts';
import type { CommandWords } from '../link.ts';
import type { Reply } from '../reply.ts';

/** One command with its parser. `parse` is total: whatever a node answers becomes a value or a typed error. */
export interface NodeCommand<T> {
  readonly words: CommandWords;
  parse(reply: Reply): Result<T, NodeError>;
}

/** The text of a bulk or status reply. */
export function textOf(reply: Reply, command: string): Result<string, NodeError> {
  if (!reply.ok) return err(classifyErrorReply(reply.error));
  if (typeof reply.value !== 'string') return err(malformedReply(`${command} answered`, reply.value));
  return ok(reply.value);
}

/** `+OK` and nothing else. */
export function okOf(reply: Reply, command: string): Result<void, NodeError> {
  const text = textOf(reply, command);
  if (!text.ok) return text;
  return text.value === 'OK' ? ok(undefined) : err(malformedReply(`${command} answered`, text.value));
}

/**
 * `key:value` lines with or without a space after the colon, CRLF or LF; `#` headings and lines without a colon are
 * skipped. The first of equal keys counts.
 */
export function fieldsOf(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0 || line.startsWith('#')) continue;
    const key = line.slice(0, colon);
    if (!fields.has(key)) fields.set(key, line.slice(colon + 1).trim());
  }
  return fields;
}

/** A decimal integer that JavaScript holds exactly; null when the text is anything else. */
export function integerOf(text: string | undefined): number | null {
  if (text === undefined || !/^-?\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
