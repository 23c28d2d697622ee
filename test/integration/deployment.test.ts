// The command lines of deploy/ and the probe in them, run as they are but for paths and addresses, up to a first answer and a clean stop.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';

import { type Ended, Deployed, deployFile, readInstruction, readUnit } from '../support/deployed.ts';
import { freePort } from '../support/free-port.ts';
import { waitUntil, notYet } from '../support/wait-until.ts';

const CONFIG = '/etc/kvrocks-controller/config.yaml';
const opened: { readonly folders: string[]; readonly processes: Deployed[] } = { folders: [], processes: [] };

afterEach(async () => {
  for (const one of opened.processes.splice(0)) {
    one.kill();
    await one.ended;
  }
  for (const folder of opened.folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-deployed-'));
  opened.folders.push(folder);
  return folder;
}

function start(...parameters: ConstructorParameters<typeof Deployed>): Deployed {
  const one = new Deployed(...parameters);
  opened.processes.push(one);
  return one;
}

async function firstAnswer(url: string): Promise<number> {
  return waitUntil(url, async () => {
    const { status } = await fetch(url);
    return status === 200 ? status : notYet(status);
  });
}

test("the unit's command line starts a member that keeps its data in the state directory and stops cleanly", async () => {
  const folder = emptyFolder();
  const config = join(folder, 'config.yaml');
  const state = join(folder, 'state');
  mkdirSync(state);
  const address = `127.0.0.1:${await freePort()}`;
  writeFileSync(config, stringify({ addr: address, raft: { peers: [address] } }));
  const unit = readUnit(deployFile('systemd/kvrocks-controller.service'));
  const words = unit.get('ExecStart')?.[0]?.replace(CONFIG, config).split(' ') ?? [];
  const env = Object.fromEntries(unit.get('Environment')?.map((one) => one.split('=')) ?? []);
  const member = start(words, { cwd: state, env: env as Record<string, string> });
  await firstAnswer(`http://${address}/readyz`);
  expect(existsSync(join(state, 'data', '1', 'identity.json'))).toBe(true);
  expect(await member.stop()).toMatchObject({ code: 0, signal: null, stderr: '' });
});

interface Container {
  readonly environment: Readonly<Record<string, string>>;
  readonly healthcheck: { readonly test: readonly string[] };
}

/** A container of compose.yaml as a process: its image's file and its environment, with addresses of this machine. */
function asProcess(
  { environment, healthcheck }: Container,
  addresses: ReadonlyMap<string, string>,
): {
  readonly url: string;
  readonly start: () => Deployed;
  readonly probe: (words?: readonly string[]) => Promise<Ended>;
} {
  const cwd = emptyFolder();
  const local = (text: string): string =>
    text
      .split(',')
      .map((one) => addresses.get(one) ?? one)
      .join(',');
  const env = {
    UV_THREADPOOL_SIZE: '16',
    ...Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, local(value)])),
  };
  const config = join(cwd, 'config.yaml');
  const own = local(environment['KVROCKS_CONTROLLER_ADVERTISE_ADDR'] ?? '');
  const text = deployFile('docker/config.yaml').replace('/data', join(cwd, 'data'));
  writeFileSync(config, text.replace('0.0.0.0:9379', own.replace('127.0.0.1', '0.0.0.0')));
  const dockerfile = deployFile('docker/Dockerfile');
  const place = (words: readonly string[]): string[] =>
    words.map((word) => (word === CONFIG ? config : word));
  return {
    url: `http://${own}`,
    start: () =>
      start(place([...readInstruction(dockerfile, 'ENTRYPOINT'), ...readInstruction(dockerfile, 'CMD')]), {
        cwd,
        env,
      }),
    probe: async (words = healthcheck.test.slice(1)) => start(place(words), { cwd, env }).ended,
  };
}

test('the containers of compose.yaml form a group, and their probes tell who is ready and who only lives', async () => {
  const { services } = parse(deployFile('docker/compose.yaml'), { merge: true }) as {
    services: Readonly<Record<string, Container>>;
  };
  const names = Object.keys(services).filter((name) => name.startsWith('controller-'));
  const addresses = new Map<string, string>();
  for (const name of names) addresses.set(`${name}:9379`, `127.0.0.1:${await freePort()}`);
  const [first, second, third] = names.flatMap((name) => {
    const service = services[name];
    return service === undefined ? [] : [asProcess(service, addresses)];
  });
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('three controllers');
  const lives = readInstruction(deployFile('docker/Dockerfile'), 'HEALTHCHECK');

  const nobody = await first.probe();
  expect(nobody).toMatchObject({ code: 1, stdout: '' });
  expect(nobody.stderr).toMatch(/^kvrocks-controller: http:\S+\/readyz does not answer: .*ECONNREFUSED.*\n$/);

  const members = [first.start()];
  await firstAnswer(`${first.url}/healthz`);
  expect(await first.probe(lives)).toMatchObject({ code: 0, stderr: '' });
  const alone = await first.probe();
  expect(alone.code).toBe(1);
  expect(alone.stderr).toMatch(/^kvrocks-controller: http:\S+\/readyz answers 503: .*\n$/);

  members.push(second.start(), third.start());
  for (const { url, probe } of [first, second, third]) {
    await firstAnswer(`${url}/readyz`);
    // A busy machine may change the leader between the two.
    await waitUntil('the probe of compose.yaml to succeed', async () => {
      const { code, stderr } = await probe();
      return code === 0 ? code : notYet(stderr);
    });
  }
  for (const ended of await Promise.all(members.map((member) => member.stop())))
    expect(ended).toMatchObject({ code: 0, stderr: '' });
});
