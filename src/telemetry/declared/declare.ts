// How a metric is declared: once, with its type, its labels and the words that people read about it.

/** Every name begins with this. */
export const PREFIX = 'kvrocks_controller_';

export interface Declared<Label extends string = string> {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly Label[];
  /** Upper bounds, ascending; of histograms only. */
  readonly buckets: readonly number[];
}

/** Metrics by their names without the prefix. */
export type Declarations = Readonly<Record<string, Declared>>;

export function counter<const Label extends string = never>(
  help: string,
  ...labels: Label[]
): Declared<Label> {
  return { kind: 'counter', help, labels, buckets: [] };
}

export function gauge<const Label extends string = never>(help: string, ...labels: Label[]): Declared<Label> {
  return { kind: 'gauge', help, labels, buckets: [] };
}

export function histogram<const Label extends string = never>(
  buckets: readonly number[],
  help: string,
  ...labels: Label[]
): Declared<Label> {
  return { kind: 'histogram', help, labels, buckets };
}

/** The labels of a declared metric. */
export type LabelsOf<D> = D extends Declared<infer Label> ? Label : never;

/** Seconds: work within this process and its disk. */
export const SHORT_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
] as const;

/** Seconds: a request, or a look over the network. */
export const REQUEST_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/** Seconds: what copies or waits. */
export const LONG_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;
