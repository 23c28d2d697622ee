// Where a setting comes from, or where a problem with it is.

export type Place =
  | { readonly kind: 'line'; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'environment'; readonly variables: readonly string[] }
  /** `flag` as it was given, cut and printable. */
  | { readonly kind: 'flag'; readonly flag: string }
  | { readonly kind: 'default' };

/** What is wrong, where, and how to mend it. All texts are printable. */
export interface ConfigProblem {
  readonly place: Place;
  /** The setting; null where it is no setting that is wrong. */
  readonly path: string | null;
  readonly message: string;
}

/** `file:line:column`, a variable, a flag, or `default`. */
export function placeText(place: Place): string {
  switch (place.kind) {
    case 'line':
      return `${place.file}:${place.line}:${place.column}`;
    case 'file':
      return place.file;
    case 'environment':
      return `environment variable${place.variables.length === 1 ? '' : 's'} ${place.variables.join(' and ')}`;
    case 'flag':
      return `--set ${place.flag}`;
    default:
      return place.kind;
  }
}

/** One line. */
export function problemText({ place, path, message }: ConfigProblem): string {
  return `${placeText(place)}: ${path === null ? '' : `${path}: `}${message}`;
}
