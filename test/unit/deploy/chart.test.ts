// The Helm chart: its values, always; what it renders, where there is a helm (`HELM_BIN`, or the one in the path).

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';

import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';

const CHART = fileURLToPath(new URL('../../../deploy/helm/kvrocks-controller', import.meta.url));
/** One that has all the chart needs; a helm that was compiled without a version takes a very old one for granted. */
const KUBERNETES = '1.32.0';
const HELM = process.env['HELM_BIN'] ?? 'helm';

// oxlint-disable-next-line typescript/no-explicit-any -- manifests have every shape
type Tree = Record<string, any>;

function chartFile(name: string): string {
  return readFileSync(join(CHART, name), 'utf8');
}

const values = parse(chartFile('values.yaml')) as Tree;
const schema = z.fromJSONSchema(JSON.parse(chartFile('values.schema.json')) as z.core.JSONSchema.JSONSchema);

describe('the values of the chart', () => {
  test('keep to their schema', () => {
    expect(schema.safeParse(values).error).toBeUndefined();
  });

  test.each([
    ['an even number of members', { replicas: 4 }],
    ['a single member', { replicas: 1 }],
    ['a value that nothing reads', { replica: 3 }],
    ['a setting that the program does not know', { config: { log: { levle: 'info' } } }],
    ['a setting that the chart makes itself', { config: { raft: { id: 1 } } }],
    ['a setting out of its bounds', { config: { controller: { failover: { max_lag: -1 } } } }],
    ['a number of a member that a pod may have', { memberIds: { 2: 5 } }],
    ['a digest that is none', { image: { ...values['image'], digest: 'latest' } }],
  ])('are refused with %s', (_what, change) => {
    expect(schema.safeParse({ ...values, ...change }).success).toBe(false);
  });

  test('are all that templates read', () => {
    const templates = readdirSync(join(CHART, 'templates')).map((name) => chartFile(join('templates', name)));
    const read = [...templates.join('').matchAll(/\.Values((?:\.\w+)+)/g)];
    expect(read.length).toBeGreaterThan(20);
    for (const [, path = ''] of read)
      expect(
        path
          .slice(1)
          .split('.')
          .reduce<unknown>((tree, key) => (tree as Tree | undefined)?.[key], values),
        path,
      ).toBeDefined();
  });
});

function helm(...args: readonly string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const { status, stdout, stderr } = spawnSync(HELM, args, { encoding: 'utf8' });
  return { status, stdout: stdout ?? '', stderr: stderr ?? '' };
}

function render(...sets: readonly string[]): Tree[] {
  const { status, stdout, stderr } = helm(
    'template',
    'kvc',
    CHART,
    '--namespace',
    'shop',
    '--kube-version',
    KUBERNETES,
    ...sets.flatMap((set) => ['--set', set]),
  );
  if (status !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout).map((document) => {
    if (document.errors.length > 0) throw new Error(document.errors.join('\n'));
    return document.toJS() as Tree;
  });
}

function find(documents: readonly Tree[], kind: string, name?: string): Tree {
  const found = documents.find(
    (one) => one['kind'] === kind && (name ?? one['metadata'].name) === one['metadata'].name,
  );
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
}

/** What the program makes of the file that the chart gives to the pod with this number. */
function configOf(documents: readonly Tree[], ordinal: number): Config {
  const { spec, metadata } = find(documents, 'StatefulSet');
  const { volumeMounts, env } = spec['template'].spec.containers[0];
  expect(env).toEqual([{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }]);
  const { subPathExpr, mountPath } = volumeMounts.find(({ name }: Tree) => name === 'config');
  expect(mountPath).toBe('/etc/kvrocks-controller/config.yaml');
  const name = subPathExpr.replace('$(POD_NAME)', `${metadata['name']}-${ordinal}`);
  const text = find(documents, 'ConfigMap')['data'][name];
  const config = loadConfig({ file: { name, text }, environment: {}, flags: [] });
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  return config.value.config;
}

describe.runIf(helm('version').status === 0)('the rendered chart', () => {
  test("passes helm's own lint", () => {
    const { status, stdout } = helm('lint', '--strict', CHART, '--kube-version', KUBERNETES);
    expect(status, stdout).toBe(0);
  });

  test.each([3, 5])('gives each of %d pods the configuration of the member with its number', (replicas) => {
    const documents = render(`replicas=${replicas}`, 'config.controller.failover.max_lag=20000000');
    const set = find(documents, 'StatefulSet')['spec'];
    expect(set).toMatchObject({ replicas, podManagementPolicy: 'Parallel', ordinals: { start: 1 } });
    for (let id = 1; id <= replicas; id += 1) {
      const { raft, advertiseAddress, failover, listen } = configOf(documents, id);
      expect(raft).toMatchObject({ id, dataDir: '/data', clusterState: 'new' });
      expect(raft.peers).toHaveLength(replicas);
      expect(raft.peers[id - 1]).toBe(advertiseAddress);
      expect(advertiseAddress).toBe(
        `kvc-kvrocks-controller-${id}.${set.serviceName}.shop.svc.cluster.local:9379`,
      );
      expect(failover.lagMax).toBe(20_000_000);
      expect(listen).toEqual({ host: '0.0.0.0', port: 9379 });
    }
    expect(find(documents, 'Service', set.serviceName)['spec']).toMatchObject({
      clusterIP: 'None',
      publishNotReadyAddresses: true,
    });
  });

  test('gives a pod whose volume was lost another number, under which it joins', () => {
    const documents = render('memberIds.2=6');
    expect(configOf(documents, 2).raft).toMatchObject({ id: 6, clusterState: 'existing' });
    expect(configOf(documents, 3).raft).toMatchObject({ id: 3, clusterState: 'new' });
  });

  test('gives pods no right that they do not need', () => {
    const { spec } = find(render(), 'StatefulSet')['spec'].template;
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 45,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(spec.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  test('admits members alone until somebody is named, and keeps to named ways out', () => {
    const [closed] = find(render(), 'NetworkPolicy')['spec'].ingress;
    expect(closed.from).toEqual([{ podSelector: find(render(), 'StatefulSet')['spec'].selector }]);
    const documents = render(
      'networkPolicy.from[0].namespaceSelector.matchLabels.name=shop',
      'networkPolicy.egress[0].ports[0].port=6666',
    );
    const { ingress, egress, policyTypes } = find(documents, 'NetworkPolicy')['spec'];
    expect(ingress[0].from).toHaveLength(2);
    expect(policyTypes).toEqual(['Ingress', 'Egress']);
    expect(egress.at(-1)).toEqual({ ports: [{ port: 6666 }] });
  });

  test("has a monitor for the members' own service", () => {
    const documents = render('serviceMonitor.enabled=true');
    const { selector } = find(documents, 'ServiceMonitor')['spec'];
    const monitored = documents.filter(
      ({ kind, metadata }) =>
        kind === 'Service' &&
        Object.entries(selector.matchLabels).every(([label, value]) => metadata.labels[label] === value),
    );
    expect(monitored.map(({ metadata }) => metadata.name)).toEqual(['kvc-kvrocks-controller-peers']);
  });

  test.each(['prometheusRule', 'dashboards'])('refuses %s where it was packaged without them', (section) => {
    expect(() => render(`${section}.enabled=true`)).toThrow(/packaged without .*npm run package:chart/);
  });
});
