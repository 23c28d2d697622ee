// Series of one metric: numbers under labels, and the lines that a scrape gets of them.

import { type Declared, PREFIX } from './declared/declare.ts';

export type LabelValues<Label extends string> = Readonly<Record<Label, string | number>>;

/** One number of a metric, with its labels. */
export type Row<Label extends string> = readonly [value: number, labels: LabelValues<Label>];

/** Numbers that are kept: counts, or what was last set. */
export class Series<Label extends string> {
  readonly #name: string;
  readonly #declared: Declared<Label>;
  readonly #values = new Map<string, number>();

  constructor(name: string, declared: Declared<Label>) {
    this.#name = PREFIX + name;
    this.#declared = declared;
  }

  /** `by` 0 makes the series be there: an increase counts from what was seen before. */
  add(labels: LabelValues<Label>, by = 1): void {
    const key = labelText(this.#declared.labels, labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  set(labels: LabelValues<Label>, value: number): void {
    this.#values.set(labelText(this.#declared.labels, labels), value);
  }

  /** Ends all series whose first labels are these. */
  forget(first: Partial<LabelValues<Label>>): void {
    forgetIn(this.#values, labelText(this.#declared.labels.slice(0, Object.keys(first).length), first));
  }

  clear(): void {
    this.#values.clear();
  }

  *lines(): Iterable<string> {
    yield head(this.#name, this.#declared);
    for (const [labels, value] of this.#values) yield line(this.#name, labels, value);
  }
}

interface Distribution {
  /** One a bucket, and one for what is above all of them; not cumulative. */
  readonly counts: number[];
  sum: number;
}

/** Counts of values by their size. */
export class Histogram<Label extends string> {
  readonly #name: string;
  readonly #declared: Declared<Label>;
  readonly #distributions = new Map<string, Distribution>();

  constructor(name: string, declared: Declared<Label>) {
    this.#name = PREFIX + name;
    this.#declared = declared;
  }

  /** `times`: so many values of this size. */
  observe(labels: LabelValues<Label>, value: number, times = 1): void {
    const distribution = this.#at(labels);
    const { counts } = distribution;
    const { buckets } = this.#declared;
    let place = 0;
    while (place < buckets.length && value > (buckets[place] ?? Infinity)) place += 1;
    counts[place] = (counts[place] ?? 0) + times;
    distribution.sum += value * times;
  }

  /** Makes the series be there. */
  begin(labels: LabelValues<Label>): void {
    this.#at(labels);
  }

  /** As `Series.forget`. */
  forget(first: Partial<LabelValues<Label>>): void {
    forgetIn(
      this.#distributions,
      labelText(this.#declared.labels.slice(0, Object.keys(first).length), first),
    );
  }

  clear(): void {
    this.#distributions.clear();
  }

  *lines(): Iterable<string> {
    yield head(this.#name, this.#declared);
    for (const [labels, { counts, sum }] of this.#distributions) {
      const before = labels === '' ? '' : `${labels},`;
      let total = 0;
      for (const [place, bound] of this.#declared.buckets.entries()) {
        total += counts[place] ?? 0;
        yield `${this.#name}_bucket{${before}le="${bound}"} ${total}\n`;
      }
      total += counts[this.#declared.buckets.length] ?? 0;
      yield `${this.#name}_bucket{${before}le="+Inf"} ${total}\n`;
      yield line(`${this.#name}_sum`, labels, sum);
      yield line(`${this.#name}_count`, labels, total);
    }
  }

  #at(labels: LabelValues<Label>): Distribution {
    const key = labelText(this.#declared.labels, labels);
    const known = this.#distributions.get(key);
    if (known !== undefined) return known;
    const begun = { counts: Array.from({ length: this.#declared.buckets.length + 1 }, () => 0), sum: 0 };
    this.#distributions.set(key, begun);
    return begun;
  }
}

/** Declarations by name, with the labels of each. */
type Labelled<Labels extends Readonly<Record<string, string>>> = {
  readonly [Name in keyof Labels]: Declared<Labels[Name]>;
};

/** The series of a metric that is declared in `declared`. */
export function seriesOf<Labels extends Readonly<Record<string, string>>, Name extends keyof Labels & string>(
  declared: Labelled<Labels>,
  name: Name,
): Series<Labels[Name]> {
  return new Series(name, declared[name]);
}

/** As `seriesOf`. */
export function histogramOf<
  Labels extends Readonly<Record<string, string>>,
  Name extends keyof Labels & string,
>(declared: Labelled<Labels>, name: Name): Histogram<Labels[Name]> {
  return new Histogram(name, declared[name]);
}

/** The lines of numbers that are read at a scrape and not kept. */
export function* rowLines<Label extends string>(
  name: string,
  declared: Declared<Label>,
  rows: Iterable<Row<Label>>,
): Iterable<string> {
  const whole = PREFIX + name;
  yield head(whole, declared);
  for (const [value, labels] of rows) yield line(whole, labelText(declared.labels, labels), value);
}

function head(name: string, { kind, help }: Declared): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
}

function line(name: string, labels: string, value: number): string {
  return labels === '' ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
}

function labelText<Label extends string>(
  order: readonly Label[],
  labels: Partial<LabelValues<Label>>,
): string {
  let text = '';
  for (const label of order)
    text += `${text === '' ? '' : ','}${label}="${escaped(String(labels[label] ?? ''))}"`;
  return text;
}

function escaped(value: string): string {
  return /["\\\n]/.test(value)
    ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : value;
}

function forgetIn(kept: Map<string, unknown>, first: string): void {
  for (const labels of kept.keys())
    if (labels === first || labels.startsWith(`${first},`)) kept.delete(labels);
}
