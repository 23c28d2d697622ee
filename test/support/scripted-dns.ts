// A name server on a UDP port, of the loopback unless told otherwise, that answers A and AAAA questions as a test says.

import { createSocket, type RemoteInfo } from 'node:dgram';
import { isIP } from 'node:net';

/** The addresses of a name with their time to live; `absent` for NXDOMAIN; `silent` for no answer at all; `broken` for SERVFAIL. */
export type DnsRecord =
  | { readonly addresses: readonly string[]; readonly ttlSeconds: number }
  | 'absent'
  | 'silent'
  | 'broken';

export interface ScriptedDns {
  /** `host:port`. */
  readonly server: string;
  /** What is asked, as `A name` and `AAAA name`, in order. */
  readonly questions: string[];
  readonly records: Map<string, DnsRecord>;
  close(): Promise<void>;
}

const TYPE_A = 1;
const TYPE_AAAA = 28;

export async function startScriptedDns(
  records: Record<string, DnsRecord> = {},
  { host, port }: { readonly host: string; readonly port: number } = { host: '127.0.0.1', port: 0 },
): Promise<ScriptedDns> {
  const socket = createSocket('udp4');
  const known = new Map(Object.entries(records));
  const questions: string[] = [];
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    const { name, type, end } = questionOf(query);
    questions.push(`${type === TYPE_A ? 'A' : 'AAAA'} ${name}`);
    const record = known.get(name) ?? 'absent';
    if (record !== 'silent')
      socket.send(answerTo(query.subarray(0, end), type, record), from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, resolve);
  });
  return {
    server: `${host}:${socket.address().port}`,
    questions,
    records: known,
    close: () =>
      new Promise((resolve) => {
        socket.close(() => resolve());
      }),
  };
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (query[at] !== 0) {
    const length = query[at]!;
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function answerTo(question: Buffer, type: number, record: Exclude<DnsRecord, 'silent'>): Buffer {
  const family = type === TYPE_AAAA ? 6 : 4;
  const isFound = record !== 'absent' && record !== 'broken';
  const addresses = isFound ? record.addresses.filter((address) => isIP(address) === family) : [];
  const head = Buffer.from(question);
  head.writeUInt16BE(0x8180 + (record === 'absent' ? 3 : record === 'broken' ? 2 : 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const answers = addresses.map((address) => {
    const data = bytesOf(address);
    const fixed = Buffer.alloc(12);
    fixed.writeUInt16BE(0xc00c, 0);
    fixed.writeUInt16BE(type, 2);
    fixed.writeUInt16BE(1, 4);
    fixed.writeUInt32BE(isFound ? record.ttlSeconds : 0, 6);
    fixed.writeUInt16BE(data.length, 10);
    return Buffer.concat([fixed, data]);
  });
  return Buffer.concat([head, ...answers]);
}

function bytesOf(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [front = '', back = ''] = address.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [left, right] = [groups(front), groups(back)];
  const words = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Buffer.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}
