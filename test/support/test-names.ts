// Names that end in `.test` mean this machine, for the clients of tests; what is tested has to ask its name servers.

import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

export const THIS_MACHINE = '127.0.0.1';

export const lookupForTests: LookupFunction = (host, options, callback) => {
  if (!host.endsWith('.test')) lookup(host, options, callback);
  else if (options.all === true) callback(null, [{ address: THIS_MACHINE, family: 4 }]);
  else callback(null, THIS_MACHINE, 4);
};
