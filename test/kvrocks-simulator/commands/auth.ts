// AUTH and HELLO (facts sections 4 and 9).

import { argument, type Command, type Invocation } from '../command.ts';
import { bulk, error, integer, OK, type Reply } from '../resp.ts';

/** Logs in, or answers the server's error. A failed attempt keeps an earlier login. */
function authenticate({ node, session }: Invocation, password: string): Reply {
  const required = node.config.text('requirepass');
  if (required === '') return error('ERR Client sent AUTH, but no password is set');
  if (password !== required) return error('ERR Invalid password');
  session.authenticated = true;
  return OK;
}

export const AUTH: Command = {
  name: 'auth',
  arity: 2,
  whileLoading: true,
  beforeAuth: true,
  run: (invocation) => authenticate(invocation, argument(invocation.args, 1)),
};

export const HELLO: Command = {
  name: 'hello',
  arity: -1,
  whileLoading: true,
  beforeAuth: true,
  run(invocation) {
    const { node, session, args } = invocation;
    const wanted = args.length > 1 ? argument(args, 1) : String(session.protocol);
    if (!/^\d+$/.test(wanted)) return error('ERR Protocol version is not an integer or out of range');
    if (wanted !== '2' && wanted !== '3') return error('NOPROTO unsupported protocol version');
    const refused = helloOptions(invocation);
    if (refused !== null) return refused;
    session.protocol = wanted === '3' && node.config.flag('resp3-enabled') ? 3 : 2;
    return greeting(invocation);
  },
};

function helloOptions(invocation: Invocation): Reply | null {
  const { session, args } = invocation;
  let index = 2;
  while (index < args.length) {
    const option = argument(args, index).toLowerCase();
    const name = args[index + 1];
    const password = args[index + 2];
    if (option === 'auth' && name !== undefined && password !== undefined) {
      const reply = helloAuth(invocation, name, password);
      if (reply.kind === 'error') return reply;
      index += 3;
    } else if (option === 'setname' && name !== undefined) {
      session.name = name;
      index += 2;
    } else {
      return error(`ERR Syntax error in HELLO option ${argument(args, index)}`);
    }
  }
  return null;
}

/** There is one user; any other name is a wrong password. */
function helloAuth(invocation: Invocation, user: string, password: string): Reply {
  const passwordless = invocation.node.config.text('requirepass') === '';
  if (user !== 'default' && !passwordless) return error('ERR Invalid password');
  return authenticate(invocation, password);
}

function greeting({ node, session }: Invocation): Reply {
  return {
    kind: 'map',
    entries: [
      [bulk('server'), bulk('redis')],
      [bulk('version'), bulk('4.0.0')],
      [bulk('proto'), integer(session.protocol)],
      [bulk('mode'), bulk(node.clusterEnabled ? 'cluster' : 'standalone')],
      [bulk('role'), bulk(node.isReplica ? 'slave' : 'master')],
      [bulk('modules'), { kind: 'nil-array' }],
    ],
  };
}
