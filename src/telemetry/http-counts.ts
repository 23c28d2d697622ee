// What a member counts and measures of the requests it answers.

import { HTTP_COUNTED } from './declared/member.ts';
import { histogramOf, seriesOf } from './series.ts';

/** What a request is counted under. `uri` is a route's template; any `method` may be given, those that no route takes are counted as one. */
export interface RequestLabels {
  readonly method: string;
  readonly uri: string;
  readonly code: number;
}

/** Why a request is refused for what it is, by which label. */
export type Rejection = 'host' | 'target' | 'size' | 'overload' | 'unreadable';

const REJECTIONS: readonly Rejection[] = ['host', 'target', 'size', 'overload', 'unreadable'];
/** Methods with a series of their own; clients may send any of three dozen, on every route. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const OTHER_METHOD = 'other';
/** Statuses that say by themselves why a request was refused. */
const REJECTING: ReadonlyMap<number, Rejection> = new Map([
  [413, 'size'],
  [429, 'overload'],
]);
const REDIRECTED = 307;

export class HttpTally {
  readonly #host: string;
  readonly #latency = histogramOf(HTTP_COUNTED, 'request_latency');
  readonly #codes = seriesOf(HTTP_COUNTED, 'http_code');
  readonly #payloads = seriesOf(HTTP_COUNTED, 'http_payload');
  readonly #requests = seriesOf(HTTP_COUNTED, 'http_requests_total');
  readonly #seconds = histogramOf(HTTP_COUNTED, 'http_request_seconds');
  readonly #rejected = seriesOf(HTTP_COUNTED, 'http_rejected_total');
  readonly #redirected = seriesOf(HTTP_COUNTED, 'http_redirected_total');
  #inFlight = 0;

  /** `host` is this member's advertised address. */
  constructor(host: string) {
    this.#host = host;
    for (const reason of REJECTIONS) this.#rejected.add({ reason }, 0);
    this.#redirected.add({}, 0);
  }

  /** Requests that began and were not observed yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  began(): void {
    this.#inFlight += 1;
  }

  /** The answer of a request that began is on its way. */
  observe(labels: RequestLabels, elapsedMs: number, payloadBytes: number): void {
    this.#inFlight -= 1;
    const method = METHODS.has(labels.method) ? labels.method : OTHER_METHOD;
    const { uri, code } = labels;
    const full = { host: this.#host, uri, method, code };
    this.#latency.observe(full, elapsedMs);
    this.#codes.add(full);
    this.#payloads.add(full, payloadBytes);
    this.#requests.add({ route: uri, method, code });
    this.#seconds.observe({ route: uri, method }, elapsedMs / 1000);
    const rejection = REJECTING.get(code);
    if (rejection !== undefined) this.rejected(rejection);
    if (code === REDIRECTED) this.#redirected.add({});
  }

  rejected(reason: Rejection): void {
    this.#rejected.add({ reason });
  }

  *lines(): Iterable<string> {
    const series = [this.#codes, this.#payloads, this.#requests, this.#rejected, this.#redirected];
    for (const counted of series) yield* counted.lines();
    yield* this.#latency.lines();
    yield* this.#seconds.lines();
  }
}
