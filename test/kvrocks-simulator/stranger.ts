// Who else may answer at a node's address: a plain Redis, or something that does not speak the protocol at all.

import type { Socket } from 'node:net';

import {
  createRequestParser,
  encodeReply,
  array,
  bulk,
  error,
  integer,
  NIL,
  OK,
  simple,
  type Reply,
} from './resp.ts';

export const STRANGERS = ['redis', 'garbage'] as const;

export type Stranger = (typeof STRANGERS)[number];

export function parseStranger(text: string): Stranger | null {
  return STRANGERS.find((stranger) => stranger === text) ?? null;
}

/** Answers `socket` as `stranger` until it closes. */
export function serveStranger(stranger: Stranger, socket: Socket): void {
  socket.on('error', () => undefined);
  if (stranger === 'garbage') serveGarbage(socket);
  else serveRedis(socket);
}

/** A web server or a proxy of one: every request is a bad one. */
function serveGarbage(socket: Socket): void {
  socket.on('data', () => {
    socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n', 'latin1');
  });
}

/** Whoever speaks RESP; it shares nothing with the node that it stands in for, least of all data. */
function serveRedis(socket: Socket): void {
  const keys = new Map<string, string>();
  const parse = createRequestParser(
    (args) => socket.write(encodeReply(redisReply(args, keys), 2), 'latin1'),
    () => socket.destroy(),
  );
  socket.on('data', parse);
}

const INFO = [
  '# Server',
  'redis_version:7.2.4',
  'redis_git_sha1:00000000',
  'redis_mode:standalone',
  'run_id:0123456789abcdef0123456789abcdef01234567',
  '',
  '# Replication',
  'role:master',
  'connected_slaves:0',
  'master_replid:0123456789abcdef0123456789abcdef01234567',
  'master_repl_offset:0',
  '',
  '# Keyspace',
  '',
].join('\r\n');

function redisReply([name = '', ...args]: readonly string[], keys: Map<string, string>): Reply {
  const [first = '', second = ''] = args;
  switch (name.toLowerCase()) {
    case 'ping':
      return simple('PONG');
    case 'info':
      return bulk(INFO);
    case 'role':
      return array([bulk('master'), integer(0), array([])]);
    case 'auth':
      return error(
        'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
      );
    case 'cluster':
      return error('ERR This instance has cluster support disabled');
    case 'set':
      keys.set(first, second);
      return OK;
    case 'get': {
      const value = keys.get(first);
      return value === undefined ? NIL : bulk(value);
    }
    default: {
      const list = args.map((arg) => `'${arg}' `).join('');
      return error(`ERR unknown command '${name}', with args beginning with: ${list}`);
    }
  }
}
