import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/globalSetup.ts'],
    pool: 'forks',
    maxWorkers: 2, // each file has its own database and servers: more at once only wait for each other on a small machine
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
