// Which routes a path names: the difference between "no such route" and "not this method", and the bounded name of a request.

/** Method and path template of every route; templates have `:name` for one segment. */
export type RouteTable = readonly { readonly method: string; readonly path: string }[];

export interface RouteMatch {
  /** Such as `/api/v1/namespaces/:namespace`. */
  readonly template: string;
  /** The methods it takes, HEAD wherever GET is. */
  readonly methods: readonly string[];
}

/** One template with all its methods, cut into segments once; null stands for any segment that is not empty. */
interface Template {
  readonly segments: readonly (string | null)[];
  readonly match: RouteMatch;
}

/**
 * The routes, made ready for looking up: every request is looked up twice, for its checks and for its metrics. Where two templates
 * match a path, the first of the table names it and the methods of both count.
 */
export class RouteIndex {
  /** By number of segments, in the order of the table. */
  readonly #templates: ReadonlyMap<number, readonly Template[]>;

  constructor(table: RouteTable) {
    const methods = new Map<string, Set<string>>();
    for (const { method, path } of table) {
      const known = methods.get(path);
      if (known === undefined) methods.set(path, new Set([method]));
      else known.add(method);
    }
    this.#templates = Map.groupBy(
      [...methods].map(([path, names]) => prepared(path, names)),
      ({ segments }) => segments.length,
    );
  }

  /** The route that `path` names; null when there is none. */
  find(path: string): RouteMatch | null {
    const segments = path.split('/');
    let found: RouteMatch | null = null;
    for (const template of this.#templates.get(segments.length) ?? []) {
      if (!matches(template.segments, segments)) continue;
      found = found === null ? template.match : merged(found, template.match);
    }
    return found;
  }
}

function prepared(path: string, methods: ReadonlySet<string>): Template {
  return {
    segments: path.split('/').map((part) => (part.startsWith(':') ? null : part)),
    match: { template: path, methods: complete(methods) },
  };
}

function merged(first: RouteMatch, second: RouteMatch): RouteMatch {
  return { template: first.template, methods: complete(new Set([...first.methods, ...second.methods])) };
}

function complete(methods: ReadonlySet<string>): readonly string[] {
  return [...(methods.has('GET') ? new Set([...methods, 'HEAD']) : methods)].toSorted();
}

function matches(template: readonly (string | null)[], segments: readonly string[]): boolean {
  return template.every((part, place) => (part === null ? segments[place] !== '' : part === segments[place]));
}
