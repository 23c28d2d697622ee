// The wire format: replies as values, their encoding in RESP2 and RESP3, and the parsing of requests.
//
// All strings of the simulator are latin1: one character is one byte, so keys and values may be binary
// and `text.length` is the length on the wire.

import RedisParser from 'redis-parser';

import { unreachable } from '../../src/base/assert.ts';

/** What a command answers. `verbatim` and `map` only look different from `bulk` and `array` under RESP3. */
export type Reply =
  | { readonly kind: 'simple'; readonly text: string }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'bulk'; readonly text: string }
  | { readonly kind: 'verbatim'; readonly text: string }
  | { readonly kind: 'nil' }
  | { readonly kind: 'nil-array' }
  | { readonly kind: 'array'; readonly items: readonly Reply[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Reply, Reply])[] }
  /** Nothing is sent: the command wrote to the connection itself. */
  | { readonly kind: 'none' };

export type Protocol = 2 | 3;

export const OK: Reply = { kind: 'simple', text: 'OK' };
export const NIL: Reply = { kind: 'nil' };
export const NO_REPLY: Reply = { kind: 'none' };

/** `text` includes the code: `ERR ...`, `MOVED ...`. */
export function error(text: string): Reply {
  return { kind: 'error', text };
}

export function simple(text: string): Reply {
  return { kind: 'simple', text };
}

export function integer(value: number): Reply {
  return { kind: 'integer', value };
}

export function bulk(text: string): Reply {
  return { kind: 'bulk', text };
}

export function verbatim(text: string): Reply {
  return { kind: 'verbatim', text };
}

export function array(items: readonly Reply[]): Reply {
  return { kind: 'array', items };
}

/** An array of bulk strings. */
export function bulks(texts: readonly string[]): Reply {
  return { kind: 'array', items: texts.map((text) => bulk(text)) };
}

/** Name and value pairs, both bulk strings. */
export function pairs(entries: readonly (readonly [string, string])[]): Reply {
  return { kind: 'map', entries: entries.map(([name, value]) => [bulk(name), bulk(value)] as const) };
}

/** The bytes of `reply` as a latin1 string. */
export function encodeReply(reply: Reply, protocol: Protocol): string {
  switch (reply.kind) {
    case 'simple':
      return `+${reply.text}\r\n`;
    case 'error':
      return `-${reply.text}\r\n`;
    case 'integer':
      return `:${reply.value}\r\n`;
    case 'bulk':
      return encodeBulk(reply.text);
    case 'verbatim':
      return protocol === 3 ? `=${reply.text.length + 4}\r\ntxt:${reply.text}\r\n` : encodeBulk(reply.text);
    case 'nil':
      return protocol === 3 ? '_\r\n' : '$-1\r\n';
    case 'nil-array':
      return protocol === 3 ? '_\r\n' : '*-1\r\n';
    case 'array':
      return `*${reply.items.length}\r\n${reply.items.map((item) => encodeReply(item, protocol)).join('')}`;
    case 'map':
      return encodeMap(reply.entries, protocol);
    case 'none':
      return '';
    default:
      return unreachable(reply);
  }
}

function encodeMap(entries: readonly (readonly [Reply, Reply])[], protocol: Protocol): string {
  const body = entries
    .map(([name, value]) => encodeReply(name, protocol) + encodeReply(value, protocol))
    .join('');
  return protocol === 3 ? `%${entries.length}\r\n${body}` : `*${entries.length * 2}\r\n${body}`;
}

function encodeBulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** A command as a client sends it. */
export function encodeCommand(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => encodeBulk(arg)).join('')}`;
}

/** Feeds chunks to `redis-parser` and hands on each complete request; a malformed stream calls `onProtocolError` once. */
export function createRequestParser(
  onRequest: (args: readonly string[]) => void,
  onProtocolError: () => void,
): (chunk: Buffer) => void {
  let broken = false;
  const fail = (): void => {
    if (broken) return;
    broken = true;
    onProtocolError();
  };
  const parser = new RedisParser({
    returnBuffers: true,
    returnReply(value) {
      if (!Array.isArray(value)) fail();
      else if (value.length > 0) onRequest(value.map((item) => textOf(item)));
    },
    returnError: fail,
    returnFatalError: fail,
  });
  return (chunk) => {
    if (!broken) parser.execute(chunk);
  };
}

/** A message of the replication link: the error replies of the master are messages too. */
export type LinkMessage =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'error'; readonly text: string };

/** Parses what a master sends to a replica: status lines, errors and bulk strings. */
export function createLinkParser(
  onMessage: (message: LinkMessage) => void,
  onProtocolError: () => void,
): (chunk: Buffer) => void {
  const parser = new RedisParser({
    returnBuffers: true,
    returnReply: (value) => onMessage({ kind: 'text', text: textOf(value) }),
    returnError: (failure) => onMessage({ kind: 'error', text: failure.message }),
    returnFatalError: onProtocolError,
  });
  return (chunk) => parser.execute(chunk);
}

function textOf(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  return typeof value === 'number' ? String(value) : '';
}
