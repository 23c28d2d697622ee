// Streams opened by hand, for what no member would send.

import { connect as connectSocket, type Socket } from 'node:net';

import { AnswerReader, type StreamAnswer } from '../../../../src/raft/transport/stream-wire.ts';
import { until, type Listening } from './real-http.ts';

/** A stream opened by hand. */
export interface RawStream {
  readonly socket: Socket;
  /** The answer to the request for it, as far as it has come; answers on the stream are read apart. */
  readonly http: () => string;
  readonly answers: StreamAnswer[];
  readonly isClosed: () => boolean;
}

/** Opens a stream from `localAddress`, any of the loopback network. */
export async function openStream(inbox: Listening, localAddress = '127.0.0.1'): Promise<RawStream> {
  const port = Number(new URL(inbox.address).port);
  const socket = connectSocket({ port, host: '127.0.0.1', localAddress });
  const reader = new AnswerReader();
  const stream = { http: '', closed: false };
  const answers: StreamAnswer[] = [];
  socket.on('error', () => undefined);
  socket.on('close', () => {
    stream.closed = true;
  });
  socket.on('data', (bytes) => {
    if (stream.http.startsWith('HTTP/1.1 101')) answers.push(...reader.push(bytes));
    else stream.http += bytes.toString('latin1');
  });
  socket.write('GET /raft/stream HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n');
  socket.write('upgrade: kvrocks-controller-raft\r\n\r\n');
  await until(() => stream.http.includes('\r\n\r\n') || stream.closed);
  return { socket, http: () => stream.http, answers, isClosed: () => stream.closed };
}
