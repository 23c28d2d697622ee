// What has left a cluster as bytes; read back with full validation.

import { Secret } from '../base/secret.ts';
import type { StoredValue } from '../store/types.ts';
import { parseClusterVersion } from '../topology/cluster.ts';
import type { CopyBefore, CutOff, Departure, Departures } from '../topology/departure.ts';
import { parseAddress, parseRecordedNodeId } from '../topology/node.ts';
import type { NodeAddress, NodeId } from '../topology/types.ts';
import { type Fields, packRecord, readRecord } from './record-fields.ts';
import { readable } from './unreadable-record.ts';

const DEPARTURES_VERSION = 1;
const ROLES = ['master', 'replica'] as const;

type Stored = Pick<StoredValue, 'key' | 'value'>;

/** Passwords leave their wrapping here. The bytes are read back before they are returned. Throws when they cannot. */
export function encodeDepartures(departures: Departures): Uint8Array {
  const value = packRecord(DEPARTURES_VERSION, [departures.map(encodeDeparture)]);
  decodeDepartures({ key: 'departures about to be written', value });
  return value;
}

/** Throws `UnreadableRecordError`. */
export function decodeDepartures(stored: Stored): Departures {
  return readRecord(stored, DEPARTURES_VERSION, (fields) => fields.each(decodeDeparture));
}

function encodeDeparture(departure: Departure): readonly unknown[] {
  const { id, address, password, role, masterId, leftAtSeconds, cutOff, toldAtSeconds } = departure;
  const cut = cutOff === null ? null : [cutOff.version, ...encodeBefore(cutOff.before)];
  return [id, address, password.reveal(), role, masterId, leftAtSeconds, cut, toldAtSeconds];
}

function encodeBefore({ version, role, master }: CopyBefore): readonly unknown[] {
  return [version, role, master];
}

function decodeDeparture(fields: Fields): Departure {
  return {
    id: decodeId(fields),
    address: decodeAddress(fields, fields.text()),
    password: new Secret(fields.text()),
    role: fields.oneOf(ROLES),
    masterId: decodeId(fields),
    leftAtSeconds: fields.number(),
    cutOff: fields.optional(decodeCutOff),
    toldAtSeconds: fields.numberOrNull(),
  };
}

function decodeCutOff(fields: Fields): CutOff {
  const version = readable(fields.key, parseClusterVersion(fields.number()));
  const before = { version: fields.number(), role: fields.oneOf(ROLES) };
  const master = fields.textOrNull();
  return { version, before: { ...before, master: master === null ? null : decodeAddress(fields, master) } };
}

function decodeId(fields: Fields): NodeId {
  return readable(fields.key, parseRecordedNodeId(fields.text()));
}

function decodeAddress({ key }: Fields, text: string): NodeAddress {
  return readable(key, parseAddress(text));
}
