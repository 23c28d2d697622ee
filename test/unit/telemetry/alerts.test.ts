// Alerts, dashboards and runbooks speak of metrics and labels that exist, and of each other; their commands are tried in `docs/commands.test.ts`.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import { DASHBOARDS } from '../../../scripts/lib/dashboards.ts';
import { METRICS } from '../../../src/telemetry/catalog.ts';
import { PREFIX } from '../../../src/telemetry/declared/declare.ts';
import { type Expression, readExpression } from '../../support/promql.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** What Prometheus puts on every series. */
const TARGET_LABELS = ['job', 'instance'];
/** Of Prometheus, of the library, and of Grafana. */
const FOREIGN = /^(up|process_\w+|nodejs_\w+)$/;
const FUNCTIONS = new Set([
  'count',
  'histogram_quantile',
  'increase',
  'label_values',
  'max',
  'min',
  'rate',
  'sum',
  'time',
]);

const rulesSchema = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          labels: z.object({ severity: z.enum(['critical', 'warning', 'info']) }),
          annotations: z.object({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
        }),
      ),
    }),
  ),
});
const samplesSchema = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
    }),
  ),
});
const dashboardSchema = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
  templating: z.object({ list: z.array(z.object({ name: z.string(), definition: z.string().optional() })) }),
});

const rules = rulesSchema
  .parse(parse(readFileSync(`${ROOT}deploy/prometheus/rules.yaml`, 'utf8')))
  .groups.flatMap((group) => group.rules);
const alerts = [...new Set(rules.map(({ alert }) => alert))];
const runbooks = readdirSync(`${ROOT}docs/runbooks`).toSorted();

/** What an expression names that is not declared. */
function undeclared({ metrics, grouping, functions }: Expression): readonly string[] {
  const known = new Set(TARGET_LABELS);
  const unknown = functions.filter((name) => !FUNCTIONS.has(name));
  for (const { metric, labels } of metrics) {
    if (FOREIGN.test(metric)) continue;
    const own = METRICS.get(metric);
    const base = METRICS.get(metric.replace(/_(bucket|sum|count)$/, ''));
    const declared = own ?? (base?.kind === 'histogram' ? base : undefined);
    if (declared === undefined || (own?.kind === 'histogram' && metric.startsWith(PREFIX))) {
      unknown.push(metric);
      continue;
    }
    const whole = new Set([
      ...TARGET_LABELS,
      ...declared.labels,
      ...(metric.endsWith('_bucket') ? ['le'] : []),
    ]);
    for (const label of whole) known.add(label);
    unknown.push(...labels.filter((label) => !whole.has(label)).map((label) => `${metric}{${label}}`));
  }
  return [...unknown, ...grouping.filter((label) => !known.has(label))];
}

test('the extractor finds metrics, labels and groupings, and what nobody declares', () => {
  const read = readExpression(
    `sum by (job, le) (rate(${PREFIX}raft_commit_seconds_bucket{job=~"a}\\"b",le="1"}[5m])) > 0.1 and on (x) ${PREFIX}raft_terms == 1e6`,
  );
  expect(read.metrics).toEqual([
    { metric: `${PREFIX}raft_commit_seconds_bucket`, labels: ['job', 'le'] },
    { metric: `${PREFIX}raft_terms`, labels: [] },
  ]);
  expect(read.functions).toEqual(['sum', 'rate']);
  expect(undeclared(read)).toEqual([`${PREFIX}raft_terms`, 'x']);
  expect(undeclared(readExpression(`${PREFIX}raft_term{role="x"} + ${PREFIX}raft_commit_seconds`))).toEqual([
    `${PREFIX}raft_term{role}`,
    `${PREFIX}raft_commit_seconds`,
  ]);
});

describe('alerts', () => {
  test.each(rules.map(({ alert, expr, labels }) => [alert, labels.severity, expr]))(
    '%s (%s) uses declared metrics and labels',
    (_alert, _severity, expr) => {
      expect(undeclared(readExpression(expr))).toEqual([]);
    },
  );

  test('have a runbook each, which their annotation names, and no runbook is without an alert', () => {
    expect(runbooks).toEqual(alerts.map((alert) => `${alert}.md`).toSorted());
    for (const { alert, annotations } of rules)
      expect(annotations.runbook_url).toBe(`docs/runbooks/${alert}.md`);
  });

  test('have samples for which they fire and samples for which they do not', () => {
    const { tests } = samplesSchema.parse(
      parse(readFileSync(`${ROOT}deploy/prometheus/rules.test.yaml`, 'utf8')),
    );
    const tried = tests.flatMap((one) => one.alert_rule_test);
    for (const alert of alerts) {
      const counts = tried.filter(({ alertname }) => alertname === alert).map((one) => one.exp_alerts.length);
      expect(counts.some((count) => count > 0) && counts.includes(0), alert).toBe(true);
    }
  });

  test.skipIf(!hasPromtool())('are what promtool takes, and fire for their samples alone', () => {
    const cwd = `${ROOT}deploy/prometheus`;
    execFileSync('promtool', ['check', 'rules', 'rules.yaml'], { cwd });
    execFileSync('promtool', ['test', 'rules', 'rules.test.yaml'], { cwd });
  });
});

test.each(DASHBOARDS.map(({ file }) => file))('dashboard %s uses declared metrics and labels', (file) => {
  const { panels, templating } = dashboardSchema.parse(
    JSON.parse(readFileSync(`${ROOT}deploy/grafana/${file}`, 'utf8')),
  );
  const queries = templating.list.flatMap(({ definition }) => definition?.replace(/,\s*\w+\)$/, ')') ?? []);
  for (const expr of [...panels.flatMap(({ targets }) => targets.map((target) => target.expr)), ...queries])
    expect(undeclared(readExpression(expr)), expr).toEqual([]);
});

test('every declared metric but those of earlier controllers is on some dashboard', () => {
  const shown = new Set<string>();
  for (const { file } of DASHBOARDS)
    for (const [name] of readFileSync(`${ROOT}deploy/grafana/${file}`, 'utf8').matchAll(
      /kvrocks_controller_\w+/g,
    ))
      shown.add(name.replace(/_bucket$/, ''));
  const earlier = ['request_latency', 'http_code', 'http_payload'].map((name) => PREFIX + name);
  expect([...METRICS.keys()].filter((name) => !shown.has(name))).toEqual(earlier);
});

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
