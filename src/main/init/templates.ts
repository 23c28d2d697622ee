// The files of a new group, each made from its members.

import { stringify } from 'yaml';

import type { Member } from './members.ts';

/** Where the package is on a host, by the steps that are printed. */
export const PREFIX = '/opt/kvrocks-controller';
export const STATE_DIR = '/var/lib/kvrocks-controller';
export const SERVICE_USER = 'kvrocks-controller';

/** Where the configuration of a member is on its host. */
export function installedConfig({ id }: Member): string {
  return `/etc/kvrocks-controller/${id}/config.yaml`;
}

export function unitName({ id }: Member): string {
  return `kvrocks-controller-${id}.service`;
}

export function configText(member: Member, members: readonly Member[]): string {
  const { id, address, listen, dataDir } = member;
  const tree = {
    addr: listen,
    ...(listen === address ? {} : { advertise_addr: address }),
    raft: { id, data_dir: dataDir, peers: members.map((each) => each.address) },
  };
  return `# Member ${id} of ${members.length}. Everything that is not here has its default: config.example.yaml.\n${stringify(tree, { blockQuote: false })}`;
}

/** For systemd 250 and later. */
export function unitText(member: Member): string {
  const { id, dataDir } = member;
  const flags = '--max-semi-space-size=8 --disable-sigusr1 --disable-proto=delete --report-exclude-env';
  const main = `${PREFIX}/lib/node_modules/kvrocks-controller/dist/main.js`;
  const state =
    dataDir === `${STATE_DIR}/${id}`
      ? `ProtectHome=yes\nStateDirectory=kvrocks-controller/${id}\nStateDirectoryMode=0700`
      : `# It must be there, and belong to ${SERVICE_USER}.\nProtectHome=tmpfs\nBindPaths="${unitWord(dataDir)}"`;
  return `# Member ${id} of a group of Kvrocks controllers.
[Unit]
Description=Kvrocks controller ${id}
Wants=network-online.target
After=network-online.target
# One that is refused (its configuration, its disk) is not started for ever.
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=exec
User=${SERVICE_USER}
Group=${SERVICE_USER}
Environment=UV_THREADPOOL_SIZE=16
ExecStart=/usr/bin/node ${flags} ${main} -c ${installedConfig(member)}
# Reads the configuration again: what is marked (R) in config.example.yaml counts at once, the rest is named in the log.
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# An orderly stop hands the lead over and takes 12 seconds at most.
TimeoutStopSec=30
${state}
UMask=0077
LimitCORE=0
LimitNOFILE=65536
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
PrivateIPC=yes
ProtectProc=invisible
ProcSubset=pid
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
LockPersonality=yes
# Not MemoryDenyWriteExecute: V8 writes the code that it runs.
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`;
}

/** Text in a unit: a percent sign would begin a specifier. */
function unitWord(text: string): string {
  return text.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%');
}

/** Uid in the image (deploy/docker). */
export const IMAGE_UID = 10_001;

/** On the network of the host, so that the members have the same addresses as without containers; each host starts its own. */
export function composeText(members: readonly Member[], version: string): string {
  const service = (member: Member): object => ({
    image: `\${KVROCKS_CONTROLLER_IMAGE:-kvrocks-controller:${version}}`,
    command: ['-c', '/etc/kvrocks-controller/config.yaml'],
    environment: { KVROCKS_CONTROLLER_RAFT_DATA_DIR: '/data' },
    network_mode: 'host',
    volumes: [`./${member.id}:/etc/kvrocks-controller:ro`, `controller-${member.id}:/data`],
    restart: 'on-failure',
    stop_grace_period: '30s',
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
  });
  const tree = {
    services: Object.fromEntries(members.map((member) => [`controller-${member.id}`, service(member)])),
    volumes: Object.fromEntries(members.map(({ id }) => [`controller-${id}`, {}])),
  };
  const hosts = members
    .map(({ id, host }) => `# docker compose up -d controller-${id}   on ${host}\n`)
    .join('');
  return `# Each member on its host, whose network it uses; the image is made by deploy/docker.\n${hosts}${stringify(tree, { lineWidth: 0 })}`;
}

/** In Kubernetes the members are called by the names that the chart gives to them, not by those of `--members`. */
export function valuesText(members: readonly Member[]): string {
  return `# helm install controllers deploy/helm/kvrocks-controller -f values.yaml
# The chart sets addresses, numbers, members and data directories itself. Set clusterState to existing once the group is founded.
replicas: ${members.length}
clusterState: new
port: ${PORT_IN_PODS}
# Settings as in config.example.yaml.
config: {}
`;
}

/** Each pod has an address of its own. */
const PORT_IN_PODS = 9379;
