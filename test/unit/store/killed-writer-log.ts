// The log of the process to be killed: entry by entry the same in the process and in the test.

import { encodeTransaction } from '../../../src/store/codec.ts';
import { type LogEntry, logPosition } from '../../../src/store/log-entry.ts';

export function killedWriterEntry(index: number): LogEntry {
  const value = new TextEncoder().encode(`value of entry ${index} `.repeat(index % 50));
  const data = encodeTransaction({
    requestId: index.toString(16).padStart(32, '0'),
    compare: [],
    put: [{ key: `key/${index % 97}`, value }],
    remove: [`key/${(index * 7) % 97}`].filter((key) => key !== `key/${index % 97}`),
  });
  return { ...logPosition(index, 1), kind: 'command', data };
}
