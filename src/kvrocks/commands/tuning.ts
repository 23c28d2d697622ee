// How a source sends slots: `migrate-speed` and `migrate-type`, read and set in its memory (facts section 5.3).

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { NodeTuning } from '../../topology/tuning.ts';
import { malformedReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import { integerOf, type NodeCommand, okOf } from './command.ts';
import { configGet } from './config-get.ts';

const SPEED = 'migrate-speed';
const TYPE = 'migrate-type';

/** Keys per second; 0 is no limit. */
export const migrateSpeed: NodeCommand<number> = known(SPEED, (text) => {
  const speed = integerOf(text);
  return speed === null || speed < 0 ? null : speed;
});

/** In the server's word, whatever the release calls it. */
export const migrateType: NodeCommand<string> = known(TYPE, (text) =>
  /^[\w-]{1,64}$/.test(text) ? text : null,
);

function known<T>(name: string, read: (text: string) => T | null): NodeCommand<T> {
  const command = configGet(name);
  return {
    words: command.words,
    parse(reply: Reply): Result<T, NodeError> {
      const text = command.parse(reply);
      if (!text.ok) return text;
      if (text.value === null) return err({ kind: 'refused', message: `this server has no setting ${name}` });
      const value = read(text.value);
      return value === null ? err(malformedReply(`${name} is`, text.value)) : ok(value);
    },
  };
}

/** CONFIG SET of what is not null. Nothing is written to the node's file. */
export function setTuning({ speed, type }: NodeTuning): readonly NodeCommand<void>[] {
  return [
    ...(type === null ? [] : [configSet(TYPE, type)]),
    ...(speed === null ? [] : [configSet(SPEED, String(speed))]),
  ];
}

function configSet(name: string, value: string): NodeCommand<void> {
  return {
    words: ['CONFIG', 'SET', name, value],
    parse: (reply: Reply): Result<void, NodeError> => okOf(reply, `CONFIG SET ${name}`),
  };
}
