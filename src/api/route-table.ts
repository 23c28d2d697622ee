// Which methods a path takes: the difference between "no such route" and "not this method".

/** Method and path template of every route; templates have `:name` for one segment. */
export type RouteTable = readonly { readonly method: string; readonly path: string }[];

/** The methods `path` takes, HEAD wherever GET is; empty when no route has this path. */
export function allowedMethods(table: RouteTable, path: string): string[] {
  const segments = path.split('/');
  const methods = new Set<string>();
  for (const route of table) {
    if (!matches(route.path.split('/'), segments)) continue;
    methods.add(route.method);
    if (route.method === 'GET') methods.add('HEAD');
  }
  return [...methods].toSorted();
}

function matches(template: readonly string[], segments: readonly string[]): boolean {
  if (template.length !== segments.length) return false;
  return template.every((part, index) => {
    const segment = segments[index] ?? '';
    return part.startsWith(':') ? segment !== '' : part === segment;
  });
}
