// Links between nodes that tests cut: packets vanish while everybody else reaches both ends.

import { afterAll, beforeAll } from 'vitest';

import { complaintOf } from '../../scripts/lib/commands.ts';
import { NetworkNamespaces } from '../../scripts/lib/network-namespaces.ts';

/** Simulated nodes drop their replication packets themselves; real ones need a network in which somebody else does. */
const isSimulated = (process.env['KVROCKS_BIN'] ?? '') === '';

/** Null where links can be cut, else what is missing. */
export const cutsMissing: string | null = isSimulated ? null : await NetworkNamespaces.missing();

/** The same of links that can be made slow. */
export const slowLinksMissing: string | null = isSimulated
  ? null
  : (cutsMissing ?? (await complaintOf('nft', '--version')));

/** Registers the hooks and gives the network for the nodes of this file; null for simulated ones, which need none. */
export function useNetwork(): () => NetworkNamespaces | null {
  let network: NetworkNamespaces | null = null;
  beforeAll(async () => {
    if (!isSimulated && cutsMissing === null) network = await NetworkNamespaces.open();
  });
  afterAll(async () => {
    await network?.close();
  });
  return () => network;
}
