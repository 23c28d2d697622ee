// CLIENT (facts section 9).

import { argument, type Command, type Invocation } from '../command.ts';
import { bulk, error, integer, NIL, OK, verbatim, type Reply } from '../resp.ts';
import type { Session } from '../session.ts';

export const CLIENT: Command = {
  name: 'client',
  arity: -2,
  run(invocation) {
    const { node, session, args } = invocation;
    switch (argument(args, 1).toLowerCase()) {
      case 'id':
        return integer(session.id);
      case 'getname':
        return session.name === '' ? NIL : bulk(session.name);
      case 'setname':
        session.name = argument(args, 2);
        return OK;
      case 'setinfo':
        return OK;
      case 'info':
        return verbatim(line(session));
      case 'list':
        return verbatim([...node.sessions].map((other) => line(other)).join(''));
      case 'kill':
        return kill(invocation);
      default:
        return error('ERR Syntax error, try CLIENT LIST|INFO|KILL ip:port|GETNAME|SETNAME');
    }
  },
};

/** CLIENT KILL ip:port, CLIENT KILL ID n, or CLIENT KILL TYPE normal SKIPME yes. */
function kill({ node, session: own, args }: Invocation): Reply {
  const how = argument(args, 2).toLowerCase();
  const isNew = how === 'id' || how === 'type';
  if (how === 'type' && args.slice(3).join(' ').toLowerCase() !== 'normal skipme yes')
    return error('ERR syntax error');
  const victims = [...node.sessions].filter((session) => {
    if (how === 'type') return session !== own && !session.replica;
    return how === 'id' ? String(session.id) === argument(args, 3) : session.peer === argument(args, 2);
  });
  for (const victim of victims) victim.destroy();
  if (isNew) return integer(victims.length);
  return victims.length === 0 ? error('ERR No such client') : OK;
}

function line(session: Session): string {
  const now = Date.now();
  const fields = [
    `id=${session.id}`,
    `addr=${session.peer}`,
    `fd=${session.id + 17}`,
    `name=${session.name}`,
    `age=${Math.floor((now - session.connectedAtMs) / 1000)}`,
    `idle=${Math.floor((now - session.lastCommandAtMs) / 1000)}`,
    `flags=${session.replica ? 'S' : 'N'}`,
    'namespace=__namespace',
    'qbuf=0',
    'obuf=0',
    `cmd=${session.lastCommand}`,
  ];
  return `${fields.join(' ')}\n`;
}
