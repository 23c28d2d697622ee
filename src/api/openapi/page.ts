// The document as a page for people: plain HTML without scripts, which also a browser in a terminal shows.

import { createHash } from 'node:crypto';

import type { ApiDocument, OperationObject, ResponseObject } from './document-types.ts';
import { escaped, prose } from './html.ts';
import { schemaRows, schemaText } from './schema-text.ts';

/** Of a member of the local trio. */
const BASE = 'http://127.0.0.1:9379';
const LINE_LENGTH_MAX = 110;

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #1c1c1c; background: #fff }
code, pre { font: 14px/1.45 ui-monospace, monospace }
pre { background: #f4f4f2; padding: .6rem; overflow-x: auto }
h2 { margin-top: 3rem; border-bottom: 1px solid #ccc }
h3 { margin-top: 2.2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-top: 1px solid #e4e4e0 }
a { color: #0b5cad }
@media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #161616 } pre { background: #242424 } th, td, h2 { border-color: #3a3a3a } a { color: #7ab8f5 } }
`;

/** Nothing but the style of the page itself, and nobody may frame it. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface Shown {
  readonly method: string;
  readonly path: string;
  readonly operation: OperationObject;
}

export function renderPage(document: ApiDocument): string {
  const { info, tags, paths, components } = document;
  const shown = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Shown => ({ method, path, operation })),
  );
  const parts = tags.map(({ name, description }) => {
    const those = shown.filter(({ operation }) => operation.tags.includes(name));
    return `<h2 id="${name}">${name}</h2>\n<p>${prose(description)}</p>\n${those.map((each) => section(document, each)).join('\n')}`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `<h3 id="schema-${escaped(name)}">${escaped(name)}</h3>\n${schemaRows(schema)}`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(info.title)} API</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(info.title)} API, release ${escaped(info.version)}</h1>
${info.description
  .split('\n\n')
  .map((paragraph) => `<p>${prose(paragraph)}</p>`)
  .join('\n')}
<p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
${contents(tags, shown)}
${parts.join('\n')}
<h2 id="failures">Failures</h2>
${failures(document, shown)}
<h2 id="schemas">Schemas</h2>
${schemas.join('\n')}
</body>
</html>
`;
}

function contents(tags: ApiDocument['tags'], shown: readonly Shown[]): string {
  const rows = tags.flatMap(({ name }) => [
    `<tr><th colspan="2"><a href="#${name}">${name}</a></th></tr>`,
    ...shown
      .filter(({ operation }) => operation.tags.includes(name))
      .map(
        ({ method, path, operation: { operationId, summary } }) =>
          `<tr><td><a href="#${operationId}"><code>${method.toUpperCase()} ${escaped(path)}</code></a></td><td>${prose(summary)}</td></tr>`,
      ),
  ]);
  return `<table>\n${rows.join('\n')}\n</table>`;
}

function section(document: ApiDocument, shown: Shown): string {
  const { method, path, operation } = shown;
  const { operationId, summary, description, requestBody, responses } = operation;
  return [
    `<h3 id="${operationId}"><code>${method.toUpperCase()} ${escaped(path)}</code></h3>`,
    `<p>${prose(summary)}.${description === undefined ? '' : ` ${prose(description)}`}</p>`,
    parameterRows(document, operation),
    bodyText(requestBody),
    answerRows(document, responses),
    examples(document, shown),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function bodyText(requestBody: OperationObject['requestBody']): string {
  if (requestBody === undefined) return '';
  const { required, description, content } = requestBody;
  const json = content['application/json'];
  const what = json === undefined ? prose(description ?? '') : schemaText(json.schema);
  return `<p>Body${required ? '' : ' (may be left out)'}: ${what}</p>`;
}

/** What `reference` leads to among the shared parts. */
function resolved<Part extends object>(
  parts: Readonly<Record<string, Part>>,
  part: Part | { readonly $ref: string },
): Part | null {
  if (!('$ref' in part)) return part;
  return parts[part.$ref.slice(part.$ref.lastIndexOf('/') + 1)] ?? null;
}

function parameterRows({ components }: ApiDocument, { parameters = [] }: OperationObject): string {
  const rows = parameters.flatMap((each) => {
    const parameter = resolved(components.parameters, each);
    if (parameter === null) return [];
    const { name, in: place, description, schema } = parameter;
    return `<tr><td><code>${escaped(name)}</code></td><td>${place}, ${schemaText(schema)}</td><td>${prose(description)}</td></tr>`;
  });
  return rows.length === 0 ? '' : `<table>\n${rows.join('\n')}\n</table>`;
}

function answerRows({ components }: ApiDocument, responses: OperationObject['responses']): string {
  const rows = Object.entries(responses).flatMap(([status, each]) => {
    const response = resolved(components.responses, each);
    if (response === null || isRefusal(status)) return [];
    const schemas = Object.entries(response.content ?? {}).map(([type, { schema }]) =>
      type === 'application/json' ? schemaText(schema) : escaped(type),
    );
    return `<tr><td>${status}</td><td>${prose(response.description)}</td><td>${schemas.join(', ')}</td></tr>`;
  });
  const refused = Object.keys(responses).filter(isRefusal);
  const links = refused.map((status) => `<a href="#status-${status}">${status}</a>`).join(' ');
  return `<table>\n${rows.join('\n')}\n<tr><td colspan="3">Refused with ${links}</td></tr>\n</table>`;
}

function isRefusal(status: string): boolean {
  return Number(status) >= 400;
}

/** Each with the command that sends it, and what comes back. */
function examples(document: ApiDocument, { method, path, operation }: Shown): string {
  const success = Object.entries(operation.responses).find(([status]) => status.startsWith('2'))?.[1];
  const content = success !== undefined && 'content' in success ? Object.values(success.content ?? {}) : [];
  const shown = Object.entries(content[0]?.examples ?? {}).map(([name, { summary, value }]) => {
    const sent = sentText(operation.requestBody, name);
    const target = targetOf(document, { path, operation, name });
    const command = [
      `curl -L '${BASE}${target}'`,
      method === (sent === '' ? 'get' : 'post') ? '' : ` -X ${method.toUpperCase()}`,
      sent,
    ];
    return `<p>${prose(summary)}:</p>\n<pre>${escaped(`${command.join('')}\n${printed(value)}`)}</pre>`;
  });
  return shown.join('\n');
}

/** How the command names the body of the example; empty without one. */
function sentText(requestBody: OperationObject['requestBody'], name: string): string {
  if (requestBody === undefined) return '';
  const json = requestBody.content['application/json'];
  if (json === undefined) return ' --data-binary @FILE';
  const body = json.examples?.[name]?.value;
  return body === undefined ? '' : ` -d '${JSON.stringify(body)}'`;
}

/** In one line where that is short. */
function printed(value: unknown): string {
  if (typeof value === 'string') return value;
  const line = JSON.stringify(value);
  return line.length <= LINE_LENGTH_MAX ? line : JSON.stringify(value, null, 2);
}

/** The path and query of an example. */
function targetOf(
  { components }: ApiDocument,
  { path, operation, name }: Pick<Shown, 'path' | 'operation'> & { readonly name: string },
): string {
  let target = path;
  const query = new URLSearchParams();
  for (const each of operation.parameters ?? []) {
    const parameter = resolved(components.parameters, each);
    if (parameter?.in === 'path') target = target.replace(`{${parameter.name}}`, String(parameter.example));
    const value = parameter?.examples?.[name]?.value;
    if (parameter?.in !== 'query' || value === undefined) continue;
    query.set(parameter.name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return query.size === 0 ? target : `${target}?${query.toString()}`;
}

/** Every response that operations share, by its status. */
function failures({ components }: ApiDocument, shown: readonly Shown[]): string {
  const byStatus = new Map<string, ResponseObject>();
  for (const { operation } of shown)
    for (const [status, each] of Object.entries(operation.responses)) {
      const response = resolved(components.responses, each);
      if (response !== null && isRefusal(status)) byStatus.set(status, response);
    }
  const rows = [...byStatus]
    .toSorted(([one], [other]) => Number(one) - Number(other))
    .map(
      ([status, { description }]) =>
        `<tr id="status-${status}"><td>${status}</td><td>${prose(description)}</td></tr>`,
    );
  return `<table>\n${rows.join('\n')}\n</table>\n<p>Each is answered as <a href="#schema-Failure">Failure</a>.</p>`;
}
