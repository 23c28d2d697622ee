// What to do with the files, as commands that work as they stand.

import type { Member } from './members.ts';
import { IMAGE_UID, installedConfig, PREFIX, SERVICE_USER, STATE_DIR, unitName } from './templates.ts';

export interface Written {
  /** The folder, as it was named. */
  readonly out: string;
  readonly members: readonly Member[];
  readonly version: string;
}

export function nextStepsText({ out, members, version }: Written): string {
  const hosts = members.map(({ address }) => address).join(',');
  const checks = members.map(
    ({ id }) => `  kvrocks-controller config check ${word(`${out}/${id}/config.yaml`)}`,
  );
  const isTrial = members.every(({ id, dataDir }) => dataDir !== `${STATE_DIR}/${id}`);
  const ways = isTrial ? onThisMachine(out, members) : onHosts({ out, members, version });
  return [
    `${out} has ${members.length} configurations, their systemd units, compose.yaml and values.yaml.`,
    '',
    'Look at what was written:',
    ...checks,
    '',
    ...ways,
    '',
    'All of them have to run once at the same time: that founds the group. Then:',
    `  kvctl -H ${hosts} raft status`,
    '',
    'There is no authentication: whoever reaches these addresses commands the controllers.',
    '',
  ].join('\n');
}

function onThisMachine(out: string, members: readonly Member[]): readonly string[] {
  return [
    'Start them, each in a terminal of its own:',
    ...members.map(({ id }) => `  kvrocks-controller -c ${word(`${out}/${id}/config.yaml`)}`),
  ];
}

function onHosts({ out, members, version }: Written): readonly string[] {
  const steps = members.flatMap((member) => [
    `  # ${member.host}`,
    `  sudo install -D -m 0600 -o ${SERVICE_USER} -g ${SERVICE_USER} ${word(`${out}/${member.id}/config.yaml`)} ${installedConfig(member)}`,
    `  sudo install -m 0644 ${word(`${out}/${member.id}/${unitName(member)}`)} /etc/systemd/system/`,
    `  sudo systemctl daemon-reload && sudo systemctl enable --now ${unitName(member)}`,
  ]);
  return [
    'With systemd, on every host:',
    `  sudo npm install --global --prefix ${PREFIX} ./kvrocks-controller-${version}.tgz`,
    `  sudo useradd --system --user-group --no-create-home --shell /usr/sbin/nologin ${SERVICE_USER}`,
    `then, with ${out} copied there, on the host of each member:`,
    ...steps,
    '',
    'Or with containers, on the host of each member (the image reads its files as its own user):',
    ...members.flatMap(({ id, host }) => [
      `  # ${host}`,
      `  sudo chown -R ${IMAGE_UID} ${word(`${out}/${id}`)} && docker compose -f ${word(`${out}/compose.yaml`)} up -d controller-${id}`,
    ]),
  ];
}

/** As a shell reads it. */
function word(text: string): string {
  return /^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
