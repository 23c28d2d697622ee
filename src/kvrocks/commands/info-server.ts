// INFO server: is this Kvrocks at all, which release and process, and is cluster mode on.

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { Reply } from '../reply.ts';
import { fieldsOf, integerOf, type NodeCommand, textOf } from './command.ts';

export interface ServerInfo {
  readonly kvrocksVersion: string;
  readonly isClusterEnabled: boolean;
  /** Null when not told. */
  readonly processId: number | null;
  readonly uptimeSeconds: number | null;
}

/** Redis and its forks answer too but have no `kvrocks_version`, hence `notKvrocks`. */
export const infoServer: NodeCommand<ServerInfo> = {
  words: ['INFO', 'server'],
  parse(reply: Reply): Result<ServerInfo, NodeError> {
    const text = textOf(reply, 'INFO server');
    if (!text.ok) return text;
    const fields = fieldsOf(text.value);
    const kvrocksVersion = fields.get('kvrocks_version');
    const mode = fields.get('kvrocks_mode') ?? fields.get('redis_mode');
    if (kvrocksVersion === undefined) {
      return err({
        kind: 'notKvrocks',
        message: 'INFO server has no kvrocks_version: this is not a Kvrocks server',
      });
    }
    return ok({
      kvrocksVersion,
      isClusterEnabled: mode === 'cluster',
      processId: integerOf(fields.get('process_id')),
      uptimeSeconds: integerOf(fields.get('uptime_in_seconds')),
    });
  },
};
