import { defineConfig } from 'vitest/config';

/**
 * Three projects: `unit` (pure code, properties, transcripts), `simulation` (seeds of the simulator) and `integration` (real processes).
 * Integration files run two at a time: each starts several processes, which mostly wait, and two cores are the machine we
 * promise to pass on.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'test/unit/**/*.test.ts',
            'test/raft-scripts/**/*.test.ts',
            'test/kvrocks-simulator/**/*.test.ts',
          ],
          testTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          // On a machine with other work to do, seeds take several times as long.
          testTimeout: 1_200_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});
