// Any request, for what has no command of its own: the answer as it comes.

import { readFileSync } from 'node:fs';

import type { Command } from 'commander';

import { printable } from '../../base/printable.ts';
import { isRecord, type Method } from '../client.ts';
import { codeOfStatus, EXIT, Failure, usage } from '../failure.ts';
import type { Act } from './act.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const satisfies readonly Method[];
/** What is not below `/api/v1`. */
const ROOTS = /^\/(?:api|livez|healthz|readyz|metrics)(?:[/?]|$)/;

export function registerApi(program: Command, act: Act): void {
  program
    .command('api <method> <path>')
    .description('any request: the answer as it comes, on standard error where it is none of success')
    .option('-d, --data <json>', 'the body: JSON, @FILE, or @- for standard input')
    .addHelpText(
      'after',
      '\nExample: kvctl api PATCH /namespaces/shop/clusters/carts -d \'{"on_divergence":"quarantine"}\'',
    )
    .action(
      act(async (session, [word = '', path = ''], { data }) => {
        const method = METHODS.find((each) => each === word.toUpperCase());
        if (method === undefined) throw usage(`${word}: there are ${METHODS.join(', ')}`);
        if (method === 'GET' && data !== undefined) throw usage('-d: a GET has no body');
        const body = typeof data === 'string' ? bodyOf(data) : undefined;
        const { response } = await session.client.sendRaw(method, apiPath(path), body);
        const text = (await response.text()).trimEnd();
        if (response.status < 400) return session.terminal.print(process.stdout.isTTY ? linesOf(text) : text);
        process.stderr.write(`${linesOf(text)}\n`);
        process.exitCode = codeOfStatus(response.status);
      }),
    );
}

/** The routes as the documentation names them are below `/api/v1`. */
export function apiPath(path: string): string {
  if (!path.startsWith('/')) throw usage(`${path}: expected a path such as /namespaces`);
  return ROOTS.test(path) ? path : `/api/v1${path}`;
}

/** Only an object: there is no route that takes anything else. */
export function bodyOf(text: string): object {
  const json = text.startsWith('@') ? contentOf(text.slice(1)) : text;
  let body: unknown;
  try {
    body = JSON.parse(json);
  } catch (error) {
    throw usage(`-d: this is no JSON: ${error instanceof Error ? error.message : ''}`);
  }
  if (!isRecord(body) || Array.isArray(body)) throw usage('-d: expected a JSON object');
  return body;
}

function contentOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new Failure(
      EXIT.usage,
      `-d @${file}: ${error instanceof Error ? error.message : 'cannot be read'}`,
    );
  }
}

/** What an answer that is none of success says. */
export function errorText(text: string, status: number): string {
  try {
    const body: unknown = JSON.parse(text);
    const error = isRecord(body) ? body['error'] : undefined;
    if (isRecord(error) && typeof error['message'] === 'string') return error['message'];
  } catch {
    // No controller said that; the status is all there is.
  }
  return `HTTP ${status}`;
}

function linesOf(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
