// Writes deploy/grafana from scripts/lib/dashboards.ts; with --check only says whether it is up to date.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { PREFIX } from '../src/telemetry/declared/declare.ts';
import { type DashboardPlan, DASHBOARDS, type PanelPlan } from './lib/dashboards.ts';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const PANEL_HEIGHT = 8;
const PANEL_WIDTH = 12;

const stale = DASHBOARDS.filter((plan) => {
  const file = new URL(`../deploy/grafana/${plan.file}`, import.meta.url);
  const text = `${JSON.stringify(dashboard(plan), null, 2)}\n`;
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  return !existsSync(file) || readFileSync(file, 'utf8') !== text;
});
for (const { file } of stale) console.error(`deploy/grafana/${file} is out of date: run "npm run generate"`);
if (stale.length > 0) process.exitCode = 1;

function dashboard({ file, title, ofClusters, panels }: DashboardPlan): unknown {
  const choices = [variable('job', `label_values(${PREFIX}raft_term, job)`)];
  if (ofClusters)
    choices.push(
      variable('namespace', `label_values(${PREFIX}cluster_version{job=~"$job"}, namespace)`),
      variable(
        'cluster',
        `label_values(${PREFIX}cluster_version{job=~"$job",namespace=~"$namespace"}, cluster)`,
      ),
    );
  return {
    uid: `kvrocks-controller-${file.replace('.json', '')}`,
    title,
    tags: ['kvrocks-controller'],
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }, ...choices] },
    panels: panels.map((panel, place) => graph(panel, place)),
  };
}

function variable(name: string, query: string): unknown {
  return {
    name,
    type: 'query',
    datasource: DATASOURCE,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    includeAll: true,
    multi: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
}

function graph({ title, unit = 'short', lines }: PanelPlan, place: number): unknown {
  return {
    id: place + 1,
    type: 'timeseries',
    title,
    datasource: DATASOURCE,
    gridPos: {
      x: (place % 2) * PANEL_WIDTH,
      y: Math.floor(place / 2) * PANEL_HEIGHT,
      w: PANEL_WIDTH,
      h: PANEL_HEIGHT,
    },
    fieldConfig: { defaults: { unit }, overrides: [] },
    targets: lines.map(([expression, legendFormat], line) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + line),
      datasource: DATASOURCE,
      expr: whole(expression),
      legendFormat,
    })),
  };
}

/** The short forms of `PanelPlan` written out. */
function whole(expression: string): string {
  return expression
    .replaceAll(/~(?=[a-z])/g, PREFIX)
    .replaceAll('{}', '{job=~"$job"}')
    .replaceAll('{code', '{job=~"$job",code')
    .replaceAll(/\{p(?=[,}])/g, '{job=~"$job",namespace=~"$namespace",cluster=~"$cluster"');
}
