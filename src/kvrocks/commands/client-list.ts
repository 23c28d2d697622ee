// CLIENT SETNAME and LIST: who is connected to a node (facts section 9).

import { ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { Reply } from '../reply.ts';
import { integerOf, type NodeCommand, okOf, textOf } from './command.ts';

/** Bytes of a list, at most: about 25,000 clients of 160 bytes, more than twice the default of `maxclients`. */
export const CLIENT_LIST_BYTES_MAX = 4 * 1024 * 1024;

/** One connection as its node sees it. */
export interface ClientLine {
  /** Never used twice by one process. */
  readonly id: number;
  /** The other end's IP address. */
  readonly host: string;
  readonly name: string;
  readonly flags: string;
  /** Of replies that the other end has not taken yet. */
  readonly unsentBytes: number;
  readonly namespace: string;
  /** The last command, in lower case. */
  readonly command: string;
}

/** All connections; a line without an id is left out. */
export const clientList: NodeCommand<readonly ClientLine[]> = {
  words: ['CLIENT', 'LIST'],
  parse(reply: Reply): Result<readonly ClientLine[], NodeError> {
    const text = textOf(reply, 'CLIENT LIST');
    if (!text.ok) return text;
    return ok(text.value.split('\n').flatMap(lineOf));
  },
};

/** Names hold no spaces, so that fields are what spaces part. */
function lineOf(text: string): ClientLine[] {
  const fields = new Map<string, string>();
  for (const field of text.split(' ')) {
    const equals = field.indexOf('=');
    if (equals > 0) fields.set(field.slice(0, equals), field.slice(equals + 1));
  }
  const id = integerOf(fields.get('id'));
  if (id === null) return [];
  const address = fields.get('addr') ?? '';
  return [
    {
      id,
      host: address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1'),
      name: fields.get('name') ?? '',
      flags: fields.get('flags') ?? '',
      unsentBytes: integerOf(fields.get('obuf')) ?? 0,
      namespace: fields.get('namespace') ?? '',
      command: (fields.get('cmd') ?? '').toLowerCase(),
    },
  ];
}

/** Names this program's own connection. */
export function setName(name: string): NodeCommand<void> {
  return {
    words: ['CLIENT', 'SETNAME', name],
    parse: (reply: Reply): Result<void, NodeError> => okOf(reply, 'CLIENT SETNAME'),
  };
}
