// Which known word was meant: one of which the word is a part, or one with few edits; none where no word is near.

/** So much of a word is compared: a request can carry one of a million letters, and the work grows with each. */
const COMPARED_LENGTH_MAX = 100;

/** A word of fewer letters is the beginning or a part of too many. */
const PART_LENGTH_MIN = 2;

/**
 * The member of `known` that was meant by `text`; null where none is near. Letters alone are compared, whatever their case. One slip of the
 * hand comes first, then the beginning of the other word, then a part of it, then few edits, a third of the longer word at most: whoever is offered a word
 * may take it, and a wrong one can do harm.
 */
export function nearest(text: string, known: readonly string[]): string | null {
  const word = plain(text.slice(0, COMPARED_LENGTH_MAX));
  let best: { readonly candidate: string; readonly rank: number; readonly distance: number } | null = null;
  for (const candidate of known) {
    const other = plain(candidate);
    const distance = editDistance(word, other);
    const rank = rankOf(word, other, distance);
    if (rank === null) continue;
    if (best === null || rank < best.rank || (rank === best.rank && distance < best.distance))
      best = { candidate, rank, distance };
  }
  return best?.candidate ?? null;
}

/** `did you mean "..."?`, or which there are, each with `prefix` before it. */
export function hintAt(text: string, known: readonly string[], prefix = ''): string {
  const meant = nearest(text, known);
  if (meant !== null) return `did you mean "${prefix}${meant}"?`;
  return `known are ${known.map((word) => `"${prefix}${word}"`).join(', ')}`;
}

function plain(text: string): string {
  return text.toLowerCase().replaceAll(/[_-]/g, '');
}

/** The lower the nearer; null for a word that is not near. */
function rankOf(left: string, right: string, distance: number): number | null {
  const [shorter, longer] = left.length < right.length ? [left, right] : [right, left];
  if (distance === 0 || (distance === 1 && shorter.length > PART_LENGTH_MIN)) return 0;
  if (shorter.length >= PART_LENGTH_MIN && longer.startsWith(shorter)) return 1;
  if (shorter.length > PART_LENGTH_MIN && longer.includes(shorter)) return 2;
  return distance <= longer.length / 3 ? 3 : null;
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, substitution));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
