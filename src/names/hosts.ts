// The hosts file: names an operator has given addresses to.

import { isIP } from 'node:net';

/** Addresses of one name, at most: enough for any host, and a bound for whoever tries them one after the other. */
const ADDRESSES_MAX = 16;

/** Names in lower case with their addresses, in the order of the file. Lines that are none are skipped. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (address === undefined || isIP(address) === 0) continue;
    for (const name of names) addTo(hosts, name.toLowerCase(), address);
  }
  return hosts;
}

function addTo(hosts: Map<string, string[]>, name: string, address: string): void {
  const known = hosts.get(name);
  if (known === undefined) hosts.set(name, [address]);
  else if (known.length < ADDRESSES_MAX && !known.includes(address)) known.push(address);
}
