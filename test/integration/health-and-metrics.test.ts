// What a member tells of its own condition, and what its metrics have, in real processes.

import { expect, test } from 'vitest';

import { METRICS } from '../../src/telemetry/catalog.ts';
import type { ControllerProcess } from '../support/controller-process.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

async function ask(member: ControllerProcess, path: string) {
  return trio().api.sendTo(member.url, 'GET', path);
}

/** The samples of a scrape: `name{labels}`, without the prefix, and their values. */
async function scrape(member: ControllerProcess): Promise<ReadonlyMap<string, number>> {
  const { status, text } = await ask(member, '/metrics');
  expect(status).toBe(200);
  const lines = text.matchAll(/^kvrocks_controller_(\S+) (\S+)$/gm);
  return new Map([...lines].map(([, series = '', value]) => [series, Number(value)]));
}

function ofPlace(samples: ReadonlyMap<string, number>, namespace: string): readonly string[] {
  return [...samples.keys()].filter((series) => series.includes(`namespace="${namespace}"`));
}

test('what only the leader knows is there alone, follows the lead, and goes with the cluster', async () => {
  const stage = scene();
  const nodes = await stage.nodes(2);
  await stage.cluster('c', nodes, { replicas: 2 });
  await stage.converged('c');
  const { namespace } = stage;
  const place = `namespace="${namespace}",cluster="c"`;
  const leader = await trio().leader();
  await waitUntil('both nodes to be up in the metrics of the leader', async () => {
    const samples = await scrape(leader);
    return samples.get(`cluster_converged{${place}}`) === 1 ? true : notYet(ofPlace(samples, namespace));
  });
  const samples = await scrape(leader);
  expect(samples.get(`cluster_nodes{${place},role="master",state="up"}`)).toBe(1);
  expect(samples.get(`failovers_total{${place},kind="failover",result="done"}`)).toBe(0);
  expect(samples.get('raft_failure_tolerance')).toBe(1);
  expect(samples.get('store_keys')).toBeGreaterThan(0);
  expect(samples.get('raft_wal_bytes')).toBeGreaterThan(16 * 1024 * 1024);
  for (const peer of trio().members.filter((member) => member !== leader)) {
    expect(
      samples.get(`raft_messages_total{peer="${peer.id}",direction="sent",result="ok"}`),
    ).toBeGreaterThan(0);
    expect(samples.get(`raft_peer_round_trip_seconds_count{peer="${peer.id}"}`)).toBeGreaterThan(0);
    expect(Math.abs(samples.get(`peer_clock_skew_seconds{peer="${peer.id}"}`) ?? NaN)).toBeLessThan(5);
    const others = await scrape(peer);
    expect(ofPlace(others, namespace)).toEqual([]);
    expect(
      [...others.keys()].filter((series) => /^(raft_failure|raft_peer_lag|store_hash)/.test(series)),
    ).toEqual([]);
  }

  const answer = await trio().api.post(stage.path('c', '/shards/0/failover'), {});
  expect(answer.status).toBe(200);
  await waitUntil('the change of masters to be measured', async () => {
    const now = await scrape(await trio().leader());
    const isMeasured = now.get('failover_seconds_count{kind="switchover"}') === 1;
    return isMeasured && now.get(`failovers_total{${place},kind="switchover",result="done"}`) === 1
      ? true
      : notYet([...now.keys()].filter((series) => series.startsWith('failover')));
  });

  await trio().api.post('/api/v1/controller/leader/transfer', {});
  const next = await waitUntil('another leader', async () => {
    const now = await trio().leader();
    return now === leader ? notYet(now.id) : now;
  });
  expect(ofPlace(await scrape(leader), namespace)).toEqual([]);
  await waitUntil('the next leader to have the cluster', async () => {
    const now = await scrape(next);
    return now.has(`cluster_version{${place}}`) ? true : notYet(now.size);
  });
  expect((await trio().api.delete(stage.path('c'))).status).toBe(200);
  await waitUntil('its series to be gone', async () => {
    const left = ofPlace(await scrape(next), namespace);
    return left.length === 0 ? true : notYet(left);
  });
});

test('every metric of a scrape is declared, and every label of it', async () => {
  const { text } = await ask(await trio().leader(), '/metrics');
  for (const [, whole = '', labels = ''] of text.matchAll(/^(kvrocks_controller_\w+)(?:\{(.*)\})? \S+$/gm)) {
    const declared = METRICS.get(whole) ?? METRICS.get(whole.replace(/_(bucket|sum|count)$/, ''));
    const names = [...labels.matchAll(/(\w+)="/g)].flatMap(([, name]) => (name === 'le' ? [] : (name ?? [])));
    expect(names, whole).toEqual(declared?.labels);
  }
});

test('only the leader is ready for who wants the leader, and each check can be read', async () => {
  const leader = await trio().leader();
  for (const member of trio().members) {
    const answer = await ask(member, '/readyz?role=leader');
    expect(answer.status).toBe(member === leader ? 200 : 503);
    if (member !== leader) expect(answer.body.error.failing).toEqual(['role']);
    const all = await ask(member, '/readyz?verbose');
    const names = all.body.data.checks.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['log', 'configuration', 'leader', 'recovery', 'applied']);
    expect((await ask(member, '/livez?verbose')).body).toEqual({
      data: {
        checks: [
          { name: 'event_loop', ok: true, problem: null },
          { name: 'log', ok: true, problem: null },
        ],
      },
    });
  }
});

/** Waits until the member's `/readyz` fails by exactly this check. */
async function untilUnready(member: ControllerProcess, check: string): Promise<void> {
  await waitUntil(`${check} to fail`, async () => {
    const { status, body, text } = await ask(member, '/readyz');
    return status === 503 && body.error.failing.join(' ') === check ? true : notYet(text);
  });
}

test('a follower that is cut off, and one without a quorum, live on and are not ready: the check that fails is the leader', async () => {
  const [cutOff] = await trio().followers();
  if (cutOff === undefined) throw new Error('no follower');
  const others = trio().members.filter((member) => member !== cutOff);
  for (const other of others) other.pause();
  await untilUnready(cutOff, 'leader');
  expect((await ask(cutOff, '/livez')).status).toBe(200);
  for (const other of others) other.resume();
  await trio().ready();

  for (const other of others) await other.kill();
  await untilUnready(cutOff, 'leader');
  for (const path of ['/livez', '/healthz']) expect((await ask(cutOff, path)).status).toBe(200);
  for (const other of others) other.start();
  await trio().ready();
});
