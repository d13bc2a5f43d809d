import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Packages are tested from their TypeScript sources, so that no test runs against a stale build.
  ssr: { resolve: { conditions: ['@align2speak/source'] } },
  test: {
    include: ['{native,packages/*}/test/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    // Builds and native checks run on machines of any speed; a hang is what this is to catch.
    testTimeout: 120_000,
    reporters: ['default', './scripts/test-reporter.mjs'],
  },
});
