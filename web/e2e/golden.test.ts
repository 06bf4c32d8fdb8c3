// The golden trainings of fixtures/golden in real browsers: the same integers at every step, and the same digests, as on
// the machine that recorded them. REPRISE_E2E_GOLDEN is the folder that `go test ./fixtures/golden -export` lays them out
// in.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Plan } from "../src/core/plan.ts";
import { type Browser, browsers } from "./browser.ts";
import { directorySource, serve, type TestServer } from "./server.ts";
import { TestPage } from "./testpage.ts";

interface Golden {
  readonly name: string;
  readonly steps: number;
  readonly plan: Plan;
  readonly want: {
    readonly parameters: string;
    readonly run: string;
    readonly steps: readonly {
      readonly step: number;
      readonly loss: number;
      readonly correct: number;
      readonly clipped: number;
    }[];
  };
}

const folder = process.env.REPRISE_E2E_GOLDEN;
const read = (name: string) => JSON.parse(readFileSync(join(folder ?? "", name), "utf8"));
const goldens: readonly Golden[] =
  folder === undefined ? [] : (read("index.json") as string[]).map((name) => read(`${name}.json`));

test("goldens are there where CI runs", () => {
  if (process.env.CI !== undefined) expect(goldens.length).toBeGreaterThan(5);
});

describe.each(folder === undefined ? [] : browsers("chromium,firefox"))("$name", ({ launch }) => {
  let browser: Browser;
  let server: TestServer;
  beforeAll(async () => {
    browser = await launch();
    server = await serve(directorySource(folder ?? ""));
  });
  afterAll(async () => {
    await server?.close();
    await browser?.close();
  });

  test.each(goldens)("$name", async ({ plan, steps, want }) => {
    const page = await TestPage.open(browser, server.address);
    try {
      const answer = await page.call("run", { plan, steps, workers: 2 });
      const counted = answer.lines.map(
        (line) => line.type === "step" && [line.step, line.loss, line.correct, line.clipped],
      );
      expect(counted).toEqual(want.steps.map((s) => [s.step, s.loss, s.correct, s.clipped]));
      expect(answer.digests).toEqual({ parameters: want.parameters, run: want.run });
    } finally {
      await page.close();
    }
  });
});
