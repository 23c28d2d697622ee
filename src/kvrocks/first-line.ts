// The first line a node sends on a connection, which may be a refusal instead of a reply.

/** Longer first lines are no refusal. */
const LENGTH_MAX = 256;

/**
 * A node that has no room for another client says so and closes, whether or not anything was asked yet (facts section
 * 14). As an answer to the first command it would be taken for that command's error, and the close behind it for a lost
 * connection; so it is looked for here, once, before replies are counted.
 */
export class FirstLine {
  #text: string | null = '';

  /** The text of an error reply that the connection begins with, without its `-`; null while or when there is none. */
  errorIn(bytes: Buffer): string | null {
    if (this.#text === null) return null;
    const text = this.#text + bytes.toString('latin1', 0, LENGTH_MAX);
    const end = text.indexOf('\r\n');
    const isOver = end !== -1 || !text.startsWith('-') || text.length >= LENGTH_MAX;
    this.#text = isOver ? null : text;
    return end !== -1 && text.startsWith('-') ? text.slice(1, end) : null;
  }
}
