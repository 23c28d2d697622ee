// What a command has: whom it asks, what it means, and how it answers. Flags come before the environment, that before the context, that before defaults.

import { Client } from './client.ts';
import { contextsPath, readContexts, type Context } from './contexts.ts';
import { EXIT, Failure, usage } from './failure.ts';
import { FORMATS, type Format, Output } from './output.ts';
import { Terminal } from './terminal.ts';

/** As commander reads them, wherever they stand. */
export interface GlobalFlags {
  readonly host?: readonly string[];
  readonly context?: string;
  readonly namespace?: string;
  readonly cluster?: string;
  readonly shard?: string;
  readonly output?: string;
  readonly timeout?: number;
  readonly yes?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color?: boolean;
  readonly printCurl?: boolean;
}

const HOST_DEFAULT = '127.0.0.1:9379';
const TIMEOUT_DEFAULT_MS = 30_000;

export class Session {
  readonly client: Client;
  readonly terminal: Terminal;
  readonly output: Output;
  readonly #flags: GlobalFlags;
  readonly #env: NodeJS.ProcessEnv;
  readonly #context: Context | null;

  private constructor(flags: GlobalFlags, env: NodeJS.ProcessEnv, context: Context | null) {
    this.#flags = flags;
    this.#env = env;
    this.#context = context;
    this.terminal = new Terminal({
      isQuiet: flags.quiet ?? false,
      isColourWanted: flags.color ?? true,
      isYes: flags.yes ?? false,
    });
    this.output = new Output(this.terminal, formatOf(flags.output ?? env['KVCTL_OUTPUT'] ?? 'table'));
    this.client = new Client({
      hosts: hostsOf(
        flags.host ?? listOf(env['KVCTL_HOST'] ?? env['KVROCKS_CONTROLLER_HTTP_ADDR']) ?? context?.hosts,
      ),
      timeoutMs: flags.timeout ?? TIMEOUT_DEFAULT_MS,
      onRequest: (method, url, body) => this.#requesting(method, url, body),
    });
  }

  /** Throws `Failure` for what makes no sense. */
  static async open(flags: GlobalFlags, env: NodeJS.ProcessEnv): Promise<Session> {
    const named = flags.context ?? env['KVCTL_CONTEXT'];
    const { current, contexts } = await readContexts(contextsPath(env));
    const name = named ?? current;
    if (name === null) return new Session(flags, env, null);
    const context = contexts[name];
    if (context === undefined)
      throw usage(`there is no context ${name}; there are ${Object.keys(contexts).join(', ') || 'none'}`);
    return new Session(flags, env, context);
  }

  get namespace(): string {
    const name = this.#flags.namespace ?? this.#env['KVCTL_NAMESPACE'] ?? this.#context?.namespace;
    if (name === undefined) throw usage('which namespace? Say -n NAMESPACE');
    return name;
  }

  get cluster(): string {
    const name = this.#flags.cluster ?? this.#env['KVCTL_CLUSTER'] ?? this.#context?.cluster;
    if (name === undefined) throw usage('which cluster? Say -c CLUSTER');
    return name;
  }

  get shard(): number {
    if (this.#flags.shard === undefined) throw usage('which shard? Say -s INDEX');
    return shardIndex(this.#flags.shard);
  }

  /** `/namespaces/N/clusters/C`, with what follows. `cluster`: another one than is meant otherwise. */
  path(rest = '', cluster: string = this.cluster): string {
    return `/namespaces/${encodeURIComponent(this.namespace)}/clusters/${encodeURIComponent(cluster)}${rest}`;
  }

  #requesting(method: string, url: string, body: string | null): void {
    if (this.#flags.printCurl === true) this.terminal.tell(curlOf(method, url, body));
    else if (this.#flags.verbose === true) this.terminal.tell(`${method} ${url}`);
  }
}

/** An index of a shard, as people write it. */
export function shardIndex(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usage(`${JSON.stringify(text)} is no index of a shard, such as 0`);
  return Number(text);
}

function formatOf(text: string): Format {
  const format = FORMATS.find((each) => each === text);
  if (format === undefined) throw usage(`-o ${text}: there are ${FORMATS.join(', ')}`);
  return format;
}

function listOf(text: string | undefined): readonly string[] | undefined {
  return text === undefined || text === '' ? undefined : [text];
}

/** `host:port` of each, which may be given with a scheme, as upstream's client wants it. */
function hostsOf(given: readonly string[] | undefined): readonly string[] {
  const texts = (given ?? [HOST_DEFAULT]).flatMap((text) => text.split(',')).map((text) => text.trim());
  const hosts = texts.filter((text) => text !== '').map(hostOf);
  if (hosts.length === 0) throw usage('-H: no host is named');
  return [...new Set(hosts)];
}

function hostOf(text: string): string {
  if (text.startsWith('https://'))
    throw new Failure(EXIT.usage, `-H ${text}: controllers answer HTTP, not HTTPS`);
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || url.protocol !== 'http:' || url.host === '' || url.pathname !== '/')
    throw usage(`-H ${text}: expected host:port, such as 10.0.0.1:9379`);
  return url.port === '' && !/:\d+$/.test(text) ? `${url.host}:9379` : url.host;
}

/** The same request for whoever has no kvctl. */
function curlOf(method: string, url: string, body: string | null): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const isFile = body?.startsWith('@') === true;
  const data =
    body === null
      ? ''
      : isFile
        ? ` --data-binary ${quote(body)}`
        : ` -H 'Content-Type: application/json' -d ${quote(body)}`;
  return `curl -L -X ${method}${data} ${quote(url)}`;
}
