// The image and the compose file, as text: what is asked of both, and that they agree with the rest of the project.

import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';
import { parse } from 'yaml';

import { deployFile, readInstruction } from '../../support/deployed.ts';

interface Service {
  readonly image: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly ports?: unknown;
  readonly volumes: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
}

const dockerfile = deployFile('docker/Dockerfile');
const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  readonly license: string;
  readonly version: string;
  readonly devDependencies: Readonly<Record<string, string>>;
};

test('the image has the Node that everything is tested with, and the licence of the package', () => {
  expect(/^ARG NODE_IMAGE=node:([\d.]+)-/m.exec(dockerfile)?.[1]).toBe(manifest.devDependencies['node']);
  expect(dockerfile).toContain(`org.opencontainers.image.licenses="${manifest.license}"`);
});

test('the image runs nothing while packages are installed, and no shell and no root afterwards', () => {
  const installs = dockerfile.match(/npm ci[^\n&]*/g) ?? [];
  expect(installs).toHaveLength(2);
  for (const install of installs) expect(install).toContain('--ignore-scripts');
  const final = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  expect(final).not.toMatch(/^RUN/m);
  expect(final).toMatch(/^USER 10001:10001$/m);
  for (const name of ['ENTRYPOINT', 'HEALTHCHECK'] as const)
    expect(readInstruction(dockerfile, name)[0]).toBe('node');
});

test('what the image is made of is what its ignore file lets through', () => {
  const admitted = deployFile('docker/Dockerfile.dockerignore').match(/(?<=^!).*$/gm) ?? [];
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) =>
    files.split(' '),
  );
  expect(new Set(admitted)).toEqual(new Set(copied));
});

test('compose starts three controllers that can write their data alone and six nodes, each with a health check', () => {
  const { services } = parse(deployFile('docker/compose.yaml'), { merge: true }) as {
    readonly services: Readonly<Record<string, Service>>;
  };
  const all = Object.entries(services);
  const controllers = all.filter(([name]) => name.startsWith('controller-'));
  expect(controllers).toHaveLength(3);
  expect(all).toHaveLength(9);
  for (const [name, { healthcheck, volumes, ports }] of all) {
    expect(healthcheck.test[0], name).toBe('CMD');
    expect(volumes[0]?.split(':')[0]).toBe(name);
    expect(ports, 'there is no authentication').toBeUndefined();
  }
  for (const [, service] of controllers)
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
});

test('the chart has the version of the package', () => {
  const chart = parse(deployFile('helm/kvrocks-controller/Chart.yaml')) as Readonly<Record<string, unknown>>;
  expect([chart['version'], chart['appVersion']]).toEqual([manifest.version, manifest.version]);
});
