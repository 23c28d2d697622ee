// Schemas in the words of the page.

import { escaped, prose } from './html.ts';
import type { JsonSchema } from './json-schemas.ts';

/** What a value is: a link to a named schema, a list of words, a type. */
export function schemaText(schema: JsonSchema): string {
  if (schema.$ref !== undefined) {
    const name = escaped(schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1));
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.anyOf !== undefined) return schema.anyOf.map((each) => schemaText(partOf(each))).join(' or ');
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.type === 'array') return `list of ${schemaText(partOf(schema.items))}`;
  const limits = limitsOf(schema);
  const type = schema.format ?? [schema.type ?? 'anything'].flat().join(' or ');
  return limits === '' ? escaped(type) : `${escaped(type)} ${limits}`;
}

/** The members of an object, those of objects within it by their paths. */
export function schemaRows(schema: JsonSchema): string {
  if (schema.properties === undefined) return `<p>${schemaText(schema)}</p>`;
  const rows = members(schema, '').map(
    ({ path, isRequired, member }) =>
      `<tr><td><code>${escaped(path)}</code></td><td>${schemaText(member)}${isRequired ? '' : ', optional'}${defaultOf(member)}</td><td>${prose(member.description ?? '')}</td></tr>`,
  );
  return rows.length === 0 ? '<p>No members.</p>' : `<table>\n${rows.join('\n')}\n</table>`;
}

interface Member {
  readonly path: string;
  readonly isRequired: boolean;
  readonly member: JsonSchema;
}

function members({ properties = {}, required = [] }: JsonSchema, prefix: string): readonly Member[] {
  const found: Member[] = [];
  for (const [name, each] of Object.entries(properties)) {
    const member = partOf(each);
    const path = prefix + name;
    found.push({ path, isRequired: required.includes(name), member }, ...inner(member, path));
  }
  return found;
}

/** What is in an object, in one that may be null, and in the elements of a list. */
function inner(member: JsonSchema, path: string): readonly Member[] {
  if (member.properties !== undefined) return members(member, `${path}.`);
  if (member.items !== undefined) return inner(partOf(member.items), `${path}[]`);
  return (member.anyOf ?? []).flatMap((each) => inner(partOf(each), path));
}

/** A list of schemas by place, and one that is only true or false, are in no schema of this document. */
function partOf(part: JsonSchema['items'] | JsonSchema): JsonSchema {
  return typeof part === 'object' && !Array.isArray(part) ? part : {};
}

function limitsOf({ minimum, maximum, minLength, maxLength }: JsonSchema): string {
  const least = minimum ?? minLength;
  const most = maximum ?? maxLength;
  if (least === undefined && most === undefined) return '';
  const unit = minimum === undefined && maximum === undefined ? ' characters' : '';
  if (most === undefined) return `(${least} or more${unit})`;
  return least === undefined || least === most
    ? `(${least === most ? '' : 'up to '}${most}${unit})`
    : `(${least} to ${most}${unit})`;
}

function defaultOf({ default: fallback }: JsonSchema): string {
  return fallback === undefined ? '' : `, else ${code(fallback)}`;
}

function code(value: unknown): string {
  return `<code>${escaped(typeof value === 'string' && value !== '' ? value : JSON.stringify(value))}</code>`;
}
