// Names of namespaces and clusters.

import { type Result, err, ok } from '../base/result.ts';
import type { TopologyError } from './errors.ts';
import type { Name } from './types.ts';

const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function isName(text: string): text is Name {
  return NAME_PATTERN.test(text);
}

/** 1 to 63 of letters, digits, `.`, `_`, `-`, the first a letter or digit (contract, *Answers*). `field` names the source. */
export function parseName(text: string, field = 'name'): Result<Name, TopologyError> {
  if (!isName(text)) {
    const why = 'is not a name: 1 to 63 letters, digits, ".", "_" or "-", the first a letter or digit';
    return err({ kind: 'invalidText', field, text, why });
  }
  return ok(text);
}
