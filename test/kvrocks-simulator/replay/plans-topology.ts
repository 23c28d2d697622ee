// How the transcripts about topologies, restarts and INFO are replayed.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'vitest';

import type { Plan, Replay } from './replay.ts';

/** Writes nodes.conf and sees the node refuse to start. */
async function refuses(scene: Replay, content: string, reason: string): Promise<void> {
  writeFileSync(join(scene.node('A').dir, 'nodes.conf'), content);
  await scene.refusesToStart('A', `Failed to start server: failed to load cluster nodes info: ${reason}`);
}

let goodNodesConf = '';

export const TOPOLOGY_PLANS: Readonly<Record<string, Plan>> = {
  '01-fresh': { conf: { S: { 'cluster-enabled': 'no' } } },
  '02-setnodes': {
    conf: { E: { bind: '0.0.0.0' } },
    at: { 521: async (scene) => scene.fresh('D') },
  },
  '06-setslot': {},
  '07-reset-restart': {
    conf: { P: { 'persist-cluster-nodes-enabled': 'no' } },
    // The state right after SETNODES: whether ROLE still says "connecting" is a matter of microseconds.
    skip: [170],
    at: {
      126: async (scene) => scene.linkUp('B'),
      217: async (scene) => scene.until('A', ['KEYS', '*'], '*0\r\n'),
      252: async (scene) => {
        const path = join(scene.node('A').dir, 'nodes.conf');
        goodNodesConf = readFileSync(path, 'latin1');
      },
      254: async (scene) => refuses(scene, goodNodesConf.slice(0, -20), 'Invalid cluster nodes info'),
      262: async (scene) => refuses(scene, 'hello world\n', 'unknown key: hello'),
      271: async (scene) => refuses(scene, '', 'Invalid cluster version'),
      280: async (scene) => refuses(scene, 'version 5\n', 'Invalid cluster nodes info'),
      287: async (scene) => {
        writeFileSync(join(scene.node('A').dir, 'nodes.conf'), goodNodesConf);
        await scene.node('A').restart();
      },
      296: async (scene) => mkdirSync(join(scene.node('A').dir, 'nodes.conf.tmp')),
      304: async (scene) => rmSync(join(scene.node('A').dir, 'nodes.conf.tmp'), { recursive: true }),
    },
  },
  '09-info': {
    conf: { S: { 'cluster-enabled': 'no' } },
  },
  '10a-setnodeid-only-restart': {
    at: { 8: async (scene) => scene.refusesToStart('A', 'Invalid cluster version') },
  },
  '10e-big-topology': { at: { 2: bigTopologies } },
};

interface SizeCase {
  readonly masters: number;
  readonly single: boolean;
  /** Bytes of the SETNODES text, of the CLUSTER NODES reply, of the CLUSTER SLOTS reply. */
  readonly sizes: readonly [number, number, number];
}

/** The recording gives sizes only, so the texts are made here. */
async function bigTopologies(scene: Replay): Promise<void> {
  const cases: readonly SizeCase[] = [
    { masters: 3, single: false, sizes: [227, 381, 280] },
    { masters: 100, single: false, sizes: [7_661, 12_279, 9_268] },
    { masters: 3, single: true, sizes: [87_391, 87_547, 1_517_884] },
    { masters: 100, single: true, sizes: [93_793, 98_411, 1_517_884] },
  ];
  for (const [index, { masters, single, sizes }] of cases.entries()) {
    const text = topologyText({ masters, single, port: scene.node('A').port });
    const version = String(index + 1);
    expect(await scene.node('A').raw('CLUSTERX', 'SETNODES', text, version, 'FORCE')).toBe('+OK\r\n');
    const nodes = await scene.node('A').raw('CLUSTER', 'NODES');
    const slots = await scene.node('A').raw('CLUSTER', 'SLOTS');
    expect([text.length, nodes.length, slots.length]).toEqual(sizes);
    scene.compared += 1;
  }
}

function topologyText(options: {
  readonly masters: number;
  readonly single: boolean;
  readonly port: number;
}): string {
  const { masters, single, port } = options;
  const lines: string[] = [];
  for (let index = 0; index < masters; index += 1) {
    const start = Math.floor((16_384 * index) / masters);
    const end = Math.floor((16_384 * (index + 1)) / masters) - 1;
    const every = Array.from({ length: 16_384 }, (_, slot) => slot).filter(
      (slot) => slot % masters === index,
    );
    const id = String(index).padStart(40, '0');
    lines.push(`${id} 127.0.0.1 ${port + index} master - ${single ? every.join(' ') : `${start}-${end}`}`);
  }
  return lines.join('\n');
}
