import { defineConfig } from 'vitest/config';

const timing = '**/*.timing.test.ts';

export default defineConfig({
  // Packages are tested from their TypeScript sources, so that no test runs against a stale build.
  ssr: { resolve: { conditions: ['@align2speak/source'] } },
  test: {
    pool: 'forks',
    // Builds and native checks run on machines of any speed; a hang is what this is to catch.
    testTimeout: 120_000,
    reporters: ['default', './scripts/test-reporter.mjs'],
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: ['{native,packages/*}/test/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/node_modules/**', timing],
        },
      },
      // What measures time runs after the others and alone, so that no neighbour is measured with it.
      { extends: true, test: { name: 'timing', include: [timing], maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
