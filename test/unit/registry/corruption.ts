// Bytes as a broken disk or program might give them back.

import * as fc from 'fast-check';

/** `bytes` with a few of them changed, some missing, or some inserted. */
export function corruptedArbitrary(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const position = fc.nat(Math.max(0, bytes.length - 1));
  const changed = fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 4 }).map((changes) => {
    const copy = Uint8Array.from(bytes);
    for (const [at, value] of changes) copy[at] = value;
    return copy;
  });
  const cut = fc.tuple(position, position).map(([from, to]) => {
    const [start, end] = [Math.min(from, to), Math.max(from, to)];
    return Uint8Array.from([...bytes.subarray(0, start), ...bytes.subarray(end)]);
  });
  const grown = fc
    .tuple(position, fc.uint8Array({ minLength: 1, maxLength: 8 }))
    .map(([at, more]) => Uint8Array.from([...bytes.subarray(0, at), ...more, ...bytes.subarray(at)]));
  return fc.oneof(changed, cut, grown);
}
