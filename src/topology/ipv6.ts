// IPv6 literals in one spelling, because an address names one node.

const GROUP_PATTERN = /^[0-9a-f]{1,4}$/;
const IPV4_PATTERN = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;

/** Four decimal bytes without leading zeros. */
export function isIpv4(text: string): boolean {
  return IPV4_PATTERN.test(text);
}

/** The groups of one side of `::`; null when one of them is not a group. A dotted IPv4 tail counts as two. */
function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (mayEndInIpv4 && index === parts.length - 1 && isIpv4(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      groups.push(a * 256 + b, c * 256 + d);
    } else if (GROUP_PATTERN.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return null;
    }
  }
  return groups;
}

/** The longest run of two or more zero groups, the first of equals: the one RFC 5952 shortens. Null when there is none. */
function longestZeroRun(
  groups: readonly number[],
): { readonly start: number; readonly length: number } | null {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) {
      start = index + 1;
    } else if (index - start + 1 > best.length) {
      best = { start, length: index - start + 1 };
    }
  }
  return best.length >= 2 ? best : null;
}

/**
 * The RFC 5952 spelling of the IPv6 literal `text` (no brackets, no zone), lower case, zeros shortened; null when it is none.
 * A dotted IPv4 tail is written in hexadecimal groups.
 */
export function canonicalIpv6(text: string): string | null {
  const [headText = '', tailText, ...more] = text.toLowerCase().split('::');
  if (more.length > 0) return null;
  const head = parseGroups(headText, tailText === undefined);
  const tail = tailText === undefined ? [] : parseGroups(tailText, true);
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (tailText === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  const run = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (run === null) return hex.join(':');
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`;
}
