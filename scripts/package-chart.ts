// `npm run package:chart`: the Helm chart as an archive, with the version of package.json, and with the alerts and dashboards there are.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Command } from 'commander';

const DEPLOY = fileURLToPath(new URL('../deploy', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const { out } = new Command('npm run package:chart --')
  .description(
    'Packages deploy/helm/kvrocks-controller with helm ($HELM_BIN, or the one in the path): with the rules of deploy/prometheus and the dashboards of deploy/grafana, where there are any.',
  )
  .option('--out <folder>', 'where the archive goes', '.')
  .allowExcessArguments(false)
  .parse()
  .opts<{ out: string }>();

const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-chart-'));
try {
  const chart = join(folder, 'kvrocks-controller');
  cpSync(join(DEPLOY, 'helm', 'kvrocks-controller'), chart, { recursive: true });
  const extras = copyExtras(join(chart, 'files'));
  execFileSync(
    process.env['HELM_BIN'] ?? 'helm',
    ['package', chart, '--version', version, '--app-version', version, '--destination', resolve(out)],
    { stdio: 'inherit' },
  );
  process.stdout.write(`with ${extras.length === 0 ? 'no alerts and no dashboards' : extras.join(', ')}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Helm reads only what is inside the chart. Names what was found. */
function copyExtras(files: string): readonly string[] {
  const rules = join(DEPLOY, 'prometheus', 'rules.yaml');
  const grafana = join(DEPLOY, 'grafana');
  const dashboards = existsSync(grafana) ? readdirSync(grafana).filter((name) => name.endsWith('.json')) : [];
  mkdirSync(join(files, 'dashboards'), { recursive: true });
  if (existsSync(rules)) cpSync(rules, join(files, 'rules.yaml'));
  for (const name of dashboards) cpSync(join(grafana, name), join(files, 'dashboards', name));
  return [...(existsSync(rules) ? ['rules.yaml'] : []), ...dashboards];
}
