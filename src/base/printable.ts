// Text of others in a line for people: nothing in it may end the line, move the cursor or hide what follows.

/** Characters of one quoted text; what is longer is cut. */
const QUOTED_LENGTH_MAX = 200;

/** Controls, line ends of every kind, marks that turn the direction of writing, halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** `text` on one line, with everything else that is not to be seen as `\u{...}`. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The beginning of `text` in quotation marks, printable. */
export function quoted(text: string): string {
  const isLong = text.length > QUOTED_LENGTH_MAX;
  return `"${printable(isLong ? text.slice(0, QUOTED_LENGTH_MAX) : text)}${isLong ? '...' : ''}"`;
}
