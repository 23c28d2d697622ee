// Foreign text in messages: as much of it as helps a person, and no more.

/** The longest piece of foreign text an answer repeats, in UTF-16 code units. */
const EXCERPT_LENGTH_MAX = 200;

/** `text`, cut to 200 code units: whoever sends a megabyte is not sent one back. */
export function excerpt(text: string): string {
  return text.length <= EXCERPT_LENGTH_MAX ? text : `${text.slice(0, EXCERPT_LENGTH_MAX - 3)}...`;
}
