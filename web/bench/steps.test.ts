// Speeds of whole training steps in a browser, one worker, as a table on standard output:
// REPRISE_BENCH_STORE=DIR REPRISE_BENCH_SUBJECTS=FILE npm run bench, both as cmd/yardstick makes them.

import { readFileSync, writeSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Browser, browsers } from "../e2e/browser.ts";
import { directorySource, serve, type TestServer } from "../e2e/server.ts";
import { TestPage } from "../e2e/testpage.ts";
import type { Digest } from "../src/gen/schema.ts";

interface Subject {
  readonly name: string;
  readonly engine: Digest;
  readonly dataset: Digest;
  readonly split: string;
  readonly seed: number;
  readonly microbatches: number;
  /** Two for each textbook multiply-add of a trained example. */
  readonly flops: number;
}

const { REPRISE_BENCH_STORE: store, REPRISE_BENCH_SUBJECTS: file } = process.env;
if (!store || !file) throw new Error("REPRISE_BENCH_STORE and REPRISE_BENCH_SUBJECTS must say what to measure");
const subjects: readonly Subject[] = JSON.parse(readFileSync(file, "utf8"));
const seconds = Number(process.env.REPRISE_BENCH_SECONDS ?? "5");
const standardOutput = 1;
const print = (cells: readonly string[]) => writeSync(standardOutput, `| ${cells.join(" | ")} |\n`);

describe.each(browsers("chromium"))("$name", ({ name, launch }) => {
  let browser: Browser;
  let server: TestServer;
  beforeAll(async () => {
    browser = await launch();
    server = await serve(directorySource(store));
    print([name, "examples/s", "GFLOP/s", "peak", "of peak", "select", "copy", "accumulate", "apply"]);
    print(["---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:"]);
  });
  afterAll(async () => {
    await server?.close();
    await browser?.close();
  });

  test.each(subjects)("$name", async (subject) => {
    const { flops, name, engine, ...records } = subject;
    const source = { ...records, engine: { digest: engine, path: `${name}.wasm` } };
    const page = await TestPage.open(browser, server.address);
    const report = await page.call("bench", { source, seconds });
    expect(report.steps).toBeGreaterThan(0);
    const rate = (report.examplesPerSecond * flops) / 1e9;
    const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
    const { phases } = report;
    print([
      name,
      report.examplesPerSecond.toFixed(0),
      rate.toFixed(1),
      report.peak.toFixed(1),
      percent(rate, report.peak),
      ...[phases.select, phases.copy, phases.accumulate, phases.apply].map((s) => percent(s, report.seconds)),
    ]);
  });
});
