// A node's answer to one command, still untrusted.

import type { Result } from '../base/result.ts';

/** A RESP2 value (text, number, null or a nest of arrays), or the text of an error reply without its `-`. */
export type Reply = Result<unknown, string>;
