// Seeds that show the faults which this simulation has found in the sources, should these come back. A seed means something only together with the
// code of its day: what it found is also held by a test of its own, and planted again by `test/mutants/controller.ts`.

export interface RegressionSeed {
  readonly seed: number;
  readonly found: string;
}

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  {
    seed: 451,
    found: 'a failover by hand asked where the master stands that a spare had taken the place of meanwhile',
  },
  {
    seed: 2343,
    found: 'a leader that had just begun promoted a replica that was written down as behind',
  },
  {
    seed: 4019,
    found: 'the same',
  },
];
