// The OpenAPI document of real members, and each of its examples sent to them.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { addressOf, ADDED, CLUSTER, MASTER_0, NAMESPACE, REPLICA_0 } from '../../src/api/openapi/examples.ts';
import type { Operation } from '../../src/api/openapi/operation.ts';
import { OPERATIONS } from '../../src/api/openapi/operations.ts';
import type { Answer, ApiClient } from '../support/api-client.ts';
import { startTrio } from '../support/controller-process.ts';
import { freePort } from '../support/free-port.ts';
import { masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

/** Places of the nodes in the examples. The one in reserve need not run. */
const RUNNING = [0, 1, 2, 3, 4, 7, 8, 9];
const RESERVE = 6;

/** Sends the examples one after the other, with the addresses and ids that the nodes here have. Every answer is held against the document by the client. */
class Examples {
  /** Texts of the examples, and what stands for them here. */
  readonly #here = new Map<string, string>();
  readonly #unsent = new Set(
    OPERATIONS.flatMap(({ id, examples }) => Object.keys(examples).map((name) => `${id} ${name}`)),
  );

  /** Who is asked. */
  api: ApiClient;
  /** What is sent where a file is taken. */
  file: Uint8Array = Buffer.alloc(0);

  constructor(stage: Scene) {
    this.api = stage.api;
    this.#here.set(NAMESPACE, stage.namespace).set(CLUSTER, 'c');
  }

  get unsent(): readonly string[] {
    return [...this.#unsent];
  }

  stands(text: string, here: string): void {
    this.#here.set(text, here);
  }

  /** Sends all examples of the operations, or those that are named behind a colon. */
  async send(...which: readonly string[]): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    for (const [id = '', only] of which.map((each) => each.split(':'))) {
      const operation = OPERATIONS.find((each) => each.id === id);
      if (operation === undefined) throw new Error(`there is no operation ${id}`);
      const names = only === undefined ? Object.keys(operation.examples) : [only];
      for (const name of names) answers.push(await this.#sendOne(operation, name));
    }
    return answers;
  }

  async #sendOne(operation: Operation, name: string): Promise<Answer> {
    const { id, method, path, at = {}, file, success, examples } = operation;
    const example = examples[name];
    if (example === undefined) throw new Error(`${id} has no example ${name}`);
    const places = {
      namespace: NAMESPACE,
      cluster: CLUSTER,
      shard: '0',
      node: MASTER_0,
      migration: '1',
      ...at,
    };
    const target = path.replaceAll(/\{(\w+)\}/g, (_, place: keyof typeof places) => places[place]);
    const query = new URLSearchParams(example.query).toString();
    const answer = await this.api.send(
      method.toUpperCase(),
      this.#translated(query === '' ? target : `${target}?${query}`),
      {
        ...(example.headers === undefined ? {} : { headers: example.headers }),
        ...(file === undefined ? {} : { rawBody: this.file }),
        ...(example.body === undefined
          ? {}
          : { body: JSON.parse(this.#translated(JSON.stringify(example.body))) as unknown }),
      },
    );
    expect([id, name, answer.status, answer.text]).toEqual([id, name, success.status, answer.text]);
    this.#unsent.delete(`${id} ${name}`);
    return answer;
  }

  #translated(text: string): string {
    let translated = text;
    for (const [from, to] of this.#here) translated = translated.replaceAll(from, to);
    return translated;
  }
}

async function migrationEnds(stage: Scene, id: number): Promise<void> {
  await waitUntil(`migration ${id} to end`, async () => {
    const answer = await stage.api.get(stage.path('c', `/migrations/${id}`));
    const { state, reason } = answer.body.data.migration;
    return state === 'succeeded' || state === 'cancelled' ? true : notYet(`${state} ${reason}`);
  });
}

/** The leader has seen all nodes, and finds nothing wrong with them. */
async function isSeen(stage: Scene): Promise<void> {
  await waitUntil('the leader to see all nodes', async () => {
    const { status, text, body } = await stage.api.get(stage.path('c', '/status'));
    return status === 200 && body.data.status.converged === true ? true : notYet(text);
  });
}

/** Sends those that only a group takes which was made out of a backup: once while the nodes are as it says, and once when they are newer. */
async function sendToRestored(examples: Examples): Promise<void> {
  const group = await startTrio({ count: 1 });
  try {
    const member = group.member(1);
    const backup = join(group.folder, 'copy.snapshot');
    writeFileSync(backup, examples.file);
    examples.api = group.api;
    for (const which of ['checked', 'forced']) {
      await member.kill();
      rmSync(member.dataDir, { recursive: true });
      member.start(['--restore', backup]);
      await group.ready();
      await examples.send(`acceptCluster:${which}`);
    }
  } finally {
    await group.stop();
  }
}

describe('the document', () => {
  test('is served by every member, leader or not, the same by all', async () => {
    const { api, members } = trio();
    const options = { followRedirects: false };
    const answers = await Promise.all(
      members.map((member) => api.sendTo(member.url, 'GET', '/openapi.json', options)),
    );
    const [first] = answers;
    expect(answers.map(({ status, text }) => [status, text])).toEqual(members.map(() => [200, first?.text]));
    expect(first?.body).toMatchObject({ openapi: '3.1.1' });
    const pages = await Promise.all(members.map((member) => api.sendTo(member.url, 'GET', '/docs', options)));
    expect(pages.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(pages[0]?.headers['content-security-policy']).toContain("default-src 'none'");
  });

  test('has examples that are answered as it says, each of them', async () => {
    const stage = scene();
    const nodes = await stage.nodes(RUNNING.length);
    const examples = new Examples(stage);
    for (const [index, place] of RUNNING.entries()) examples.stands(addressOf(place), nodes[index]!.address);
    for (const text of [addressOf(RESERVE), '127.0.0.1:9382'])
      examples.stands(text, `127.0.0.1:${await freePort()}`);

    await examples.send('createNamespace', 'listNamespaces', 'getNamespace');
    await examples.send('createCluster', 'listClusters', 'getCluster');
    const { shards } = await stage.converged('c');
    const [master, replica] = [masterOf(shards[0]!), replicasOf(shards[0]!)[0]!];
    examples.stands(MASTER_0, master.id);
    examples.stands(REPLICA_0, replica.id);
    await isSeen(stage);
    await examples.send('listShards', 'getShard', 'listNodes', 'explainShard', 'getShardMaster');
    await examples.send('getClusterStatus', 'checkCluster', 'syncCluster', 'getPlacement');
    await examples.send('getAutomation', 'setAutomation', 'getClusterAutomation', 'setClusterAutomation');
    await examples.send('setSpares', 'getSpares', 'updateCluster', 'updateNode');
    await examples.send('getMaintenance', 'setMaintenance', 'endMaintenance');
    await examples.send('getWebhooks', 'setWebhooks');

    await examples.send('failoverShard:dryRun', 'failoverShard:preferred');
    await stage.converged('c');
    await isSeen(stage);
    await examples.send('failoverShard:best');
    await stage.converged('c');

    await examples.send('resyncNode', 'createNode:replica');
    const [added] = await examples.send('createNode:object');
    examples.stands(ADDED, added?.body.data.node.id as string);
    await stage.converged('c');
    await nodes.at(-1)!.kill();
    await examples.send('deleteNode', 'forgetDeparted');
    await examples.send('createShard', 'deleteShard', 'removeSlots', 'addSlots');

    await examples.send('migrateSlots:slots', 'listMigrations', 'getMigration');
    await examples.send('pauseMigration', 'resumeMigration', 'cancelMigration');
    await migrationEnds(stage, 1);
    await examples.send('retryMigration', 'cancelMigrations');
    await migrationEnds(stage, 1);
    await examples.send('migrateSlots:slot');
    await migrationEnds(stage, 2);
    await examples.send('rebalanceCluster:dryRun', 'drainShard', 'scaleOut');
    await migrationEnds(stage, 3);
    await examples.send('scaleIn');
    await migrationEnds(stage, 4);
    await stage.viewWhere('c', 'two shards', (view) => view.shards.length === 2);
    const [even] = await examples.send('rebalanceCluster:even');
    if (even?.body.data.migration !== null) await migrationEnds(stage, 5);
    await stage.converged('c');

    const { content } = await stage.api.download(`${(await trio().leader()).url}/api/v1/raft/snapshot`);
    examples.file = content;
    await examples.send('verifyBackup');
    await examples.send('listEvents', 'listClusterEvents', 'deleteCluster', 'importCluster');
    expect((await stage.api.delete(stage.path('c'))).status).toBe(200);
    await examples.send('deleteNamespace');
    await examples.send('getLiveness', 'getHealth', 'getMetrics', 'getOpenApi', 'getDocs');
    await examples.send('getReadiness:one', 'getReadiness:verbose');
    await examples.send('getConfiguration', 'reloadConfiguration', 'setLogLevel');
    await examples.send('getUpgrade', 'finalizeUpgrade');
    await examples.send('getLeader', 'getPeers', 'changePeers', 'transferLead:best');
    // The example gives the lead to member 1, which must not have it then.
    if ((await trio().leader()).id === 1) await examples.send('transferLead:best');
    await trio().leader();
    await examples.send('transferLead:chosen');
    await waitUntil('member 1 to have taken the lead up', async () => {
      const { status, text } = await stage.api.get('/readyz?role=leader');
      return status === 200 ? true : notYet(text);
    });
    await examples.send('getReadiness:leader');
    await sendToRestored(examples);
    expect(examples.unsent).toEqual([]);
  });

  test('is served while nobody leads', async () => {
    const { api, members } = trio();
    const [one, ...others] = members;
    for (const other of others) await other.kill();
    await waitUntil('no leader', async () => {
      const { body } = await api.sendTo(one!.url, 'GET', '/api/v1/controller/leader');
      return body.data.leader === null ? true : notYet(body);
    });
    for (const path of ['/openapi.json', '/docs'])
      expect((await api.sendTo(one!.url, 'GET', path)).status).toBe(200);
  });
});
