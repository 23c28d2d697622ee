// Writes docs/metrics.md from the declarations of the metrics; with --check only says whether it is up to date.

import { readFileSync, writeFileSync } from 'node:fs';

import { METRIC_AREAS } from '../src/telemetry/catalog.ts';
import { PREFIX } from '../src/telemetry/declared/declare.ts';

const HEADER = `# Metrics

\`GET /metrics\` of every member, in Prometheus' text format, version 0.0.4. Written by \`npm run generate\` from \`src/telemetry/declared\`. Every name below begins with \`${PREFIX}\`.

- Base units: seconds and bytes; only \`request_latency\`, whose name and unit are upstream's, counts milliseconds. Buckets of histograms are in \`src/telemetry/declared\`.
- Values of labels are routes by their template, numbers of members, names of namespaces and clusters, ids of nodes, and closed sets. \`role\` of a node is \`master\` or \`slave\`, as in the API.
- Series end with what they are about: a cluster that was deleted, a node or a member that was removed. What only the leader knows is absent on the others, so a sum over all members is right without a filter.
- Above \`metrics.node_series_max\` nodes (2000, of all clusters together) the series of single nodes, \`node_*\` with a label \`node\`, are absent; \`cluster_nodes\` counts the nodes of each cluster then.
- Alerts, dashboards and what to do: \`deploy/prometheus/rules.yaml\`, \`deploy/grafana\`, \`docs/runbooks\`.

**Not there yet**, because what they would measure is not: authentication and audit (\`auth_*\`, \`audit_records_total\`, \`security_insecure\`), keys and certificates (\`tls_*\`, \`secrets_*\`, \`peer_key_in_use\`), requests carried on by followers (\`http_forwarded_total\`), denied addresses of nodes (\`node_address_denied_total\`), and the reasons \`origin\`, \`rate\` and \`handshake\` of \`http_rejected_total\`. There are no traces.
`;

const SHORT = { counter: 'C', gauge: 'G', histogram: 'H' } as const;

const page = new URL('../docs/metrics.md', import.meta.url);
const text = render();
if (process.argv.includes('--check')) {
  if (readFileSync(page, 'utf8') !== text) {
    console.error('docs/metrics.md is out of date: run "npm run generate"');
    process.exitCode = 1;
  }
} else {
  writeFileSync(page, text);
}

function render(): string {
  const sections = METRIC_AREAS.map(({ title, about, metrics }) => {
    const rows = Object.entries(metrics).map(
      ([name, { kind, labels, help }]) =>
        `| ${SHORT[kind]} | \`${name}\` | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
    );
    return `\n## ${title}\n\n${about} C counter, G gauge, H histogram.\n\n| | name | labels | |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return HEADER + sections.join('');
}
