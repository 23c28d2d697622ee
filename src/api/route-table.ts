// Which routes a path names: the difference between "no such route" and "not this method", and the bounded name of a request.

/** Method and path template of every route; templates have `:name` for one segment. */
export type RouteTable = readonly { readonly method: string; readonly path: string }[];

export interface RouteMatch {
  /** Such as `/api/v1/namespaces/:namespace`. */
  readonly template: string;
  /** The methods it takes, HEAD wherever GET is. */
  readonly methods: readonly string[];
}

/** The route that `path` names; null when there is none. */
export function findRoute(table: RouteTable, path: string): RouteMatch | null {
  const segments = path.split('/');
  const matching = table.filter((route) => matches(route.path.split('/'), segments));
  const [first] = matching;
  if (first === undefined) return null;
  const methods = new Set(matching.map((route) => route.method));
  if (methods.has('GET')) methods.add('HEAD');
  return { template: first.path, methods: [...methods].toSorted() };
}

function matches(template: readonly string[], segments: readonly string[]): boolean {
  if (template.length !== segments.length) return false;
  return template.every((part, index) => {
    const segment = segments[index] ?? '';
    return part.startsWith(':') ? segment !== '' : part === segment;
  });
}
