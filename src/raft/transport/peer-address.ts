// Where a peer listens: `host:port`, checked once.

import { err, ok, type Result } from '../../base/result.ts';
import type { Brand } from '../../base/brand.ts';

/** The origin of a peer's HTTP server, `http://host:port`. Made by `parsePeerAddress`. */
export type PeerOrigin = Brand<string, 'PeerOrigin'>;

/** Longer addresses do not fit the head of a frame. In characters, all of them ASCII. */
export const ADDRESS_LENGTH_MAX = 190;

/** Reads `host:port` (ASCII, IPv6 in brackets, port 1..65535); the error says what is wrong. */
export function parsePeerAddress(text: string): Result<PeerOrigin, string> {
  if (text.length > ADDRESS_LENGTH_MAX) return err(`an address has at most ${ADDRESS_LENGTH_MAX} characters`);
  const match = /^(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65_535 || !URL.canParse(`http://${text}`)) {
    return err(`"${text}" is not host:port`);
  }
  return ok(`http://${text}` as PeerOrigin);
}
