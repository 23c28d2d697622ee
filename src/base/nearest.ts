// Which known word was meant: the one with the fewest edits.

/** So much of a word is compared: a request can carry one of a million letters, and the work grows with each. */
const COMPARED_LENGTH_MAX = 100;

/** The member of `known` with the smallest Levenshtein distance to `text`; `known` must not be empty. */
export function nearest(text: string, known: readonly string[]): string {
  const word = text.slice(0, COMPARED_LENGTH_MAX);
  let best = known[0] ?? '';
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
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
