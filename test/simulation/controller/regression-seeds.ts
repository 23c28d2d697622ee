// Every seed that ever failed, with what it found. A seed means something only together with the code of its day: what it
// found is also held by a test of its own; here it stays because such seeds are good ones.

export interface RegressionSeed {
  readonly seed: number;
  readonly found: string;
}

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [];
