// Metrics of a member out of the text that `/metrics` serves, without the prefix that all of them have.

import { PREFIX } from '../../telemetry/declared/declare.ts';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Our own series; what is no sample of them is left out. */
export function readMetrics(text: string): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith(PREFIX)) return [];
    const [, name, labels = '', value = ''] =
      /^(\w+)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)/.exec(line.slice(PREFIX.length)) ?? [];
    return name === undefined
      ? []
      : [{ name, labels: readLabels(labels), value: Number(value.replace('Inf', 'Infinity')) }];
  });
}

function readLabels(text: string): Readonly<Record<string, string>> {
  const pairs = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]));
}

/** The value of the only series of that name; null where it is absent. */
export function valueOf(samples: readonly Sample[], name: string): number | null {
  return samples.find((sample) => sample.name === name)?.value ?? null;
}

/**
 * The quantile of a histogram, since its process began, as Prometheus reckons it: even inside a bucket, and the highest bound for whatever is
 * above it. Null where nothing was counted.
 */
export function quantileOf(samples: readonly Sample[], name: string, quantile: number): number | null {
  const buckets = samples
    .filter((sample) => sample.name === `${name}_bucket`)
    .map(({ labels, value }) => ({ bound: Number(labels['le']?.replace('+Inf', 'Infinity')), count: value }))
    .toSorted((a, b) => a.bound - b.bound);
  const wanted = (buckets.at(-1)?.count ?? 0) * quantile;
  if (wanted === 0) return null;
  let below = { bound: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= wanted) {
      if (bucket.bound === Infinity) break;
      const part = (wanted - below.count) / (bucket.count - below.count);
      return below.bound + (bucket.bound - below.bound) * part;
    }
    below = bucket;
  }
  return below.bound;
}
