// What a PromQL expression uses: metrics, and labels of them. No parser of the language: just enough to find a name that nobody declares.

export interface Used {
  readonly metric: string;
  /** Labels of its own selector. */
  readonly labels: readonly string[];
}

export interface Expression {
  readonly metrics: readonly Used[];
  /** Labels that results are grouped or matched by. */
  readonly grouping: readonly string[];
  /** Whatever is called. */
  readonly functions: readonly string[];
}

const KEYWORDS: ReadonlySet<string> = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const NAME = /(?<![\w$.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?/g;

export function readExpression(text: string): Expression {
  const grouping: string[] = [];
  const functions: string[] = [];
  const metrics: Used[] = [];
  const bare = text
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(GROUPING, (_, labels: string) => {
      grouping.push(...labels.split(',').flatMap((label) => label.trim() || []));
      return '';
    });
  for (const [, name = '', rest = ''] of bare.matchAll(NAME)) {
    if (KEYWORDS.has(name)) continue;
    // An aggregation may stand before its grouping, which is gone by now.
    if (rest === '(') functions.push(name);
    else
      metrics.push({
        metric: name,
        labels: [...rest.matchAll(/(\w+)\s*(?:=|!)/g)].map(([, label = '']) => label),
      });
  }
  return { metrics, grouping, functions };
}
