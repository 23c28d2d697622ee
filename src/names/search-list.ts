// The part of resolv.conf that c-ares does not apply to single queries: which full names a short one may mean.

/** `search` (or `domain`) and `options ndots:n` of resolv.conf. */
export interface SearchRules {
  readonly domains: readonly string[];
  /** A name with at least so many dots is first asked for as it is. */
  readonly ndots: number;
}

/** Kubernetes writes three to six domains; each costs a query for every short name. */
const DOMAINS_MAX = 16;
/** The limit the C library has. */
const NDOTS_MAX = 15;
/** The longest name DNS can carry, in characters. */
const NAME_LENGTH_MAX = 253;

/** The last `search` or `domain` line counts, as in the C library; anything unknown is skipped. */
export function parseSearchRules(text: string): SearchRules {
  let domains: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'search' || keyword === 'domain') {
      domains = values.slice(0, DOMAINS_MAX).map((domain) => domain.replace(/\.$/, '').toLowerCase());
    }
    if (keyword === 'options') ndots = ndotsOf(values) ?? ndots;
  }
  return { domains: domains.filter((domain) => domain !== ''), ndots };
}

function ndotsOf(options: readonly string[]): number | null {
  const option = options.findLast((candidate) => /^ndots:\d{1,3}$/.test(candidate));
  return option === undefined ? null : Math.min(NDOTS_MAX, Number(option.slice('ndots:'.length)));
}

/** The full names to ask for, in order; the first that exists is meant. */
export function fullNames(name: string, { domains, ndots }: SearchRules): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const dots = name.split('.').length - 1;
  const searched = domains
    .map((domain) => `${name}.${domain}`)
    .filter((full) => full.length <= NAME_LENGTH_MAX);
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}
