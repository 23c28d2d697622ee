// Nodes and what names them: ids and addresses.

import { assert } from '../base/assert.ts';
import { type Random, randomHex } from '../base/random.ts';
import { type Result, err, ok } from '../base/result.ts';
import { Secret } from '../base/secret.ts';
import type { TopologyError } from './errors.ts';
import { canonicalIpv6, isIpv4 } from './ipv6.ts';
import type { Node, NodeAddress, NodeId, NodeRole } from './types.ts';

const NODE_ID_PATTERN = /^[A-Za-z0-9]{40}$/;
const PORT_PATTERN = /^[1-9]\d{0,4}$/;
const PORT_MAX = 65_535;
const HOST_LENGTH_MAX = 253;
const HOST_LABEL_PATTERN = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** What any release ever took as a node id. */
const RECORDED_NODE_ID_PATTERN = /^[\x21-\x7e]{40}$/;

/** The two parts of an address. `host` is bare: an IPv6 literal without brackets. */
export interface AddressParts {
  readonly host: string;
  readonly port: number;
}

function isNodeId(text: string): text is NodeId {
  return NODE_ID_PATTERN.test(text);
}

/**
 * Exactly 40 letters or digits, as every tool makes them and ours are hexadecimal. The server checks the length only (facts section 2.1), so
 * anything else is an accident on its way here: an id cut short and escaped, or two fields run together.
 */
export function parseNodeId(text: string, field = 'node id'): Result<NodeId, TopologyError> {
  if (!isNodeId(text)) {
    return err({ kind: 'invalidText', field, text, why: 'is not a node id of 40 letters or digits' });
  }
  return ok(text);
}

/**
 * A node id from a record: 40 visible ASCII characters, which is what every release so far took in. However strict `parseNodeId` becomes
 * about what comes from outside, a cluster that was once accepted stays readable.
 */
export function parseRecordedNodeId(text: string): Result<NodeId, TopologyError> {
  if (isRecordedNodeId(text)) return ok(text);
  return err({
    kind: 'invalidText',
    field: 'node id',
    text,
    why: 'is not a node id of 40 visible ASCII characters',
  });
}

function isRecordedNodeId(text: string): text is NodeId {
  return RECORDED_NODE_ID_PATTERN.test(text);
}

/** 160 random bits as 40 hexadecimal digits. */
export function newNodeId(random: Random): NodeId {
  const id = randomHex(random, 40);
  assert(isNodeId(id), 'forty hexadecimal digits are a node id');
  return id;
}

/** `host:port` from outside: a host name, an IPv4 literal, or an IPv6 literal in brackets; port 1..65535. */
export function parseAddress(text: string, field = 'address'): Result<NodeAddress, TopologyError> {
  const colon = text.lastIndexOf(':');
  const hostText = colon === -1 ? text : text.slice(0, colon);
  const portText = colon === -1 ? '' : text.slice(colon + 1);
  const isBracketed = hostText.startsWith('[') && hostText.endsWith(']');
  if (!isBracketed && hostText.includes(':')) {
    return err({
      kind: 'invalidText',
      field,
      text,
      why: 'is not host:port; an IPv6 address needs brackets, as in "[::1]:6666"',
    });
  }
  const host = isBracketed ? canonicalIpv6(hostText.slice(1, -1)) : canonicalHost(hostText);
  if (host === null) {
    return err({
      kind: 'invalidText',
      field,
      text,
      why: 'is not host:port with a host name, an IPv4 address or an IPv6 address in brackets',
    });
  }
  if (!PORT_PATTERN.test(portText) || Number(portText) > PORT_MAX) {
    return err({ kind: 'invalidText', field, text, why: `is not host:port with a port of 1 to ${PORT_MAX}` });
  }
  return ok(printAddress(host, portText));
}

/** An address from the two fields in which nodes report it; an IPv6 host comes bare (facts section 2.4). */
export function addressFromParts(
  host: string,
  port: string,
  field = 'address',
): Result<NodeAddress, TopologyError> {
  return parseAddress(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`, field);
}

export function addressParts(address: NodeAddress): AddressParts {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: Number(address.slice(colon + 1)) };
}

/** `host port` as SETNODES takes it: no brackets around an IPv6 host. */
export function printAddressForSetNodes(address: NodeAddress): string {
  const { host, port } = addressParts(address);
  return `${host} ${port}`;
}

/** The shape of what `printAddress` writes; its parts were checked by `parseAddress`. */
function isAddress(text: string): text is NodeAddress {
  return /^(?:\[[0-9a-f:]+\]|[a-z0-9._-]+):\d+$/.test(text);
}

function printAddress(host: string, port: string): NodeAddress {
  const text = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  assert(isAddress(text), 'a checked host and port are an address');
  return text;
}

/** A host name in lower case or an IPv4 literal; null when it is neither. A last label of digits only must be part of IPv4. */
function canonicalHost(text: string): string | null {
  const host = text.toLowerCase();
  if (isIpv4(host)) return host;
  if (host.length > HOST_LENGTH_MAX) return null;
  const labels = host.split('.');
  if (!labels.every((label) => HOST_LABEL_PATTERN.test(label))) return null;
  return /(?:^|\.)\d+$/.test(host) ? null : host;
}

/** A node about to join: everything but its role. */
export interface NewNode {
  readonly id: NodeId;
  readonly address: NodeAddress;
  readonly password: Secret;
  /** Seconds since the Unix epoch. */
  readonly createdAtSeconds: number;
}

/** A node in `role`, without `masterauth`. */
export function makeNode(fresh: NewNode, role: NodeRole): Node {
  assert(Number.isSafeInteger(fresh.createdAtSeconds), 'createdAtSeconds is an integer');
  return { ...fresh, role, masterAuth: Secret.none };
}

/** The role a word of the API or of Kvrocks means; `slave` and `replica` are one. */
export function parseRole(text: string, field = 'role'): Result<NodeRole, TopologyError> {
  switch (text.toLowerCase()) {
    case 'master':
      return ok('master');
    case 'slave':
    case 'replica':
      return ok('replica');
    default:
      return err({ kind: 'invalidText', field, text, why: 'is not a role, which is "master" or "slave"' });
  }
}

/** The word the API and Kvrocks use. */
export function printRole(role: NodeRole): 'master' | 'slave' {
  return role === 'master' ? 'master' : 'slave';
}
