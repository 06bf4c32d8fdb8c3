import { defineConfig } from "vitest/config";

// One browser at a time: the machine's cores belong to the workers in it. A first start of Firefox takes a quarter of a
// minute, a training of an archived closure minutes, and a slow machine is slow.
const inBrowsers = { environment: "node", fileParallelism: false, testTimeout: 900_000, hookTimeout: 300_000 } as const;

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.{ts,tsx}"], environment: "node", testTimeout: 60_000 } },
      { test: { name: "e2e", include: ["e2e/**/*.test.ts"], ...inBrowsers } },
      { test: { name: "screenshots", include: ["e2e/screenshots.ts"], ...inBrowsers } },
      { test: { name: "bench", include: ["bench/**/*.test.ts"], ...inBrowsers } },
    ],
  },
});
