// What can be waited for, and whether it is there.

import { usage } from '../failure.ts';
import { conditionCell, roleText } from './node-rows.ts';
import { placeText } from './severity.ts';
import type { MigrationBody, NodeStatusBody, StatusBody } from './status-body.ts';

export type Goal =
  | { readonly kind: 'converged' }
  | { readonly kind: 'healthy' }
  /** By the id, its beginning, or the address. */
  | { readonly kind: 'master'; readonly node: string }
  | { readonly kind: 'task'; readonly id: number };

/** How it stands, in words. */
export type Standing =
  | { readonly kind: 'reached'; readonly text: string }
  | { readonly kind: 'waiting'; readonly text: string }
  /** It can never be reached. */
  | { readonly kind: 'failed'; readonly text: string; readonly isMissing: boolean };

const GOALS = 'converged, healthy, master=ID_OR_ADDRESS, task=ID';
/** Of an id, so that a letter or two do not mean a node. */
const ID_LENGTH_MIN = 4;
/** Named in one line. */
const NAMED_MAX = 3;

/** Throws `Failure` for what nobody can wait for. */
export function parseGoal(text: string): Goal {
  const [, word, , value = ''] = /^([a-z]+)(=(.*))?$/.exec(text) ?? [];
  const isBare = !text.includes('=');
  if (isBare && (word === 'converged' || word === 'healthy')) return { kind: word };
  if (word === 'master' && value.length >= ID_LENGTH_MIN) return { kind: 'master', node: value };
  if (word === 'task' && /^\d{1,15}$/.test(value)) return { kind: 'task', id: Number(value) };
  throw usage(`--for ${text}: expected ${GOALS}`);
}

/** Of all but `task`. */
export function clusterStanding(goal: Exclude<Goal, { kind: 'task' }>, status: StatusBody): Standing {
  switch (goal.kind) {
    case 'converged':
      return status.converged
        ? reached(`every node has version ${status.version}`)
        : waiting(unconvergedText(status));
    case 'healthy':
      return healthStanding(status);
    case 'master':
      return masterStanding(goal.node, status);
  }
}

/** As `check` has it: nothing above `info`. */
function healthStanding(status: StatusBody): Standing {
  const grave = status.problems.filter(({ severity }) => severity !== 'info');
  if (grave.length === 0)
    return status.converged
      ? reached('every node is in its place, no problems')
      : waiting(unconvergedText(status));
  const names = grave.map(
    ({ severity, title, shard, addr }) => `${placeText(shard, addr)}${title} (${severity})`,
  );
  return waiting(
    `${grave.length === 1 ? '1 problem' : `${grave.length} problems`}: ${listText(names, '; ')}`,
  );
}

function masterStanding(name: string, { nodes }: StatusBody): Standing {
  const found = nodes.filter(({ id, addr }) => addr === name || id.startsWith(name));
  const [node, ...others] = found;
  if (node === undefined)
    return { kind: 'failed', text: `no node of the cluster has the id or address ${name}`, isMissing: true };
  if (others.length > 0) throw usage(`${name} begins the ids of ${found.length} nodes: say more of it`);
  if (node.role.wanted === 'master')
    return node.converged && node.condition === 'answering'
      ? reached(`${node.addr} is master of shard ${node.shard}`)
      : waiting(`${node.addr} is to be master of shard ${node.shard}: ${nodeText(node)}`);
  const master = nodes.find(({ shard, role }) => shard === node.shard && role.wanted === 'master');
  return waiting(
    `${node.addr} is a replica of shard ${node.shard}, whose master is ${master?.addr ?? 'not known'}`,
  );
}

export function taskStanding({ id, state, reason, slots, percent }: MigrationBody): Standing {
  const text = `migration ${id} ${stateText(state)}, ${slots.moved} of ${slots.total} slots moved (${percent} %)${reason === '' ? '' : `: ${reason}`}`;
  if (state === 'succeeded') return reached(text);
  return state === 'failed' || state === 'cancelled'
    ? { kind: 'failed', text, isMissing: false }
    : waiting(text);
}

function stateText(state: string): string {
  return state === 'succeeded' || state === 'failed' ? `has ${state}` : `is ${state}`;
}

function unconvergedText({ nodes, version }: StatusBody): string {
  const others = nodes.filter(({ converged }) => !converged);
  const there = `${nodes.length - others.length} of ${nodes.length} nodes are in their places at version ${version}`;
  const names = others.map((node) => `${node.addr} ${nodeText(node)}`);
  return names.length === 0 ? there : `${there}; not ${listText(names, ', ')}`;
}

/** What is in the way with it. */
function nodeText(node: NodeStatusBody): string {
  const { condition, role, error } = node;
  const cell = conditionCell(node);
  const seen = typeof cell === 'string' ? cell : cell.text;
  const parts = [
    seen,
    ...(role.seen !== null && role.seen !== role.wanted ? [`is ${roleText(role.seen)} still`] : []),
    ...(error === null || condition === 'answering' ? [] : [error]),
  ];
  return `(${parts.join(', ')})`;
}

function listText(names: readonly string[], between: string): string {
  const hidden = names.length - NAMED_MAX;
  const shown = names.slice(0, NAMED_MAX).join(between);
  return hidden > 0 ? `${shown}${between}and ${hidden} more` : shown;
}

function reached(text: string): Standing {
  return { kind: 'reached', text };
}

function waiting(text: string): Standing {
  return { kind: 'waiting', text };
}
