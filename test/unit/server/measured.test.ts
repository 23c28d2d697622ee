// The parts of Raft with a clock beside them.

import { expect, test } from 'vitest';

import type { Message } from '../../../src/raft/core/messages.ts';
import { RoundTrips } from '../../../src/server/measured.ts';
import { RaftTally } from '../../../src/telemetry/raft-counts.ts';
import { FakeClock } from '../leader/fake-clock.ts';
import { ONE, TWO } from './status-of-one.ts';

const heartbeat = { kind: 'heartbeat', from: ONE, to: TWO } as unknown as Message;
const reply = { kind: 'heartbeatReply', from: TWO, to: ONE } as unknown as Message;

test('a round trip is that of the first heartbeat that is open, unless its peer was away meanwhile', async () => {
  const clock = new FakeClock();
  const tally = new RaftTally();
  tally.follow(true);
  const trips = new RoundTrips({ clock, tally });
  const sent: Message[] = [];
  const transport = trips.measured({
    send: (messages) => sent.push(...messages),
    setAddresses: () => undefined,
    sendSnapshot: () => undefined,
  });
  const seen = (): string[] =>
    [...tally.lines(0)]
      .filter((line) => /round_trip_seconds_(sum|count)\{/.test(line))
      .map((line) => line.trim().replace(/.*_seconds_/, ''));
  transport.send([heartbeat]);
  await clock.advance(50);
  transport.send([heartbeat]);
  await clock.advance(70);
  trips.heard(reply);
  trips.heard(reply);
  expect(seen()).toEqual(['sum{peer="2"} 0.12', 'count{peer="2"} 1']);
  transport.send([heartbeat]);
  await clock.advance(1000);
  trips.unreachable(TWO);
  transport.send([heartbeat]);
  await clock.advance(30);
  trips.heard(reply);
  expect(seen()).toEqual(['sum{peer="2"} 0.15', 'count{peer="2"} 2']);
  expect(sent).toHaveLength(4);
  tally.follow(false);
  expect(seen()).toEqual([]);
});
