// A replay on a closure's page beside the bare speed of its engine in a worker, taken in turns, and what the replay does to the
// page: tables on standard output. REPRISE_BENCH_SITE=http://… REPRISE_BENCH_CLOSURE=name npm run bench -- replay

import { writeSync } from "node:fs";
import { type Browser, type CDPSession, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumOptions } from "../e2e/chromium.ts";
import type { ClosureDetail } from "../src/site/api/types.ts";
import type { Outcome } from "../src/testpage/main.ts";
import type { BenchReport } from "../src/worker/bench.ts";
import { median } from "./median.ts";

const { REPRISE_BENCH_SITE: site, REPRISE_BENCH_CLOSURE: name } = process.env;
if (!site || !name) throw new Error("REPRISE_BENCH_SITE and REPRISE_BENCH_CLOSURE must say what to measure");
const turns = Number(process.env.REPRISE_BENCH_TURNS ?? "5");
const seconds = Number(process.env.REPRISE_BENCH_SECONDS ?? "3");
const standardOutput = 1;
const print = (cells: readonly string[]) => writeSync(standardOutput, `| ${cells.join(" | ")} |\n`);

let browser: Browser;
let closure: ClosureDetail;
beforeAll(async () => {
  browser = await chromium.launch(chromiumOptions());
  closure = (await (await fetch(`${site}api/v1/closure?ref=${name}`)).json()) as ClosureDetail;
});
afterAll(() => browser?.close());

test("speed", async () => {
  print(["turn", "bare, steps/s", "replay, steps/s", "ratio"]);
  print(["---:", "---:", "---:", "---:"]);
  const ratios: number[] = [];
  for (let turn = 1; turn <= turns; turn++) {
    // Before and after, so that a machine that slows down or speeds up favours neither.
    const before = await bare();
    const replayed = await replaySpeed();
    const speed = (before + (await bare())) / 2;
    ratios.push(replayed / speed);
    print([String(turn), speed.toFixed(0), replayed.toFixed(0), (replayed / speed).toFixed(3)]);
  }
  print(["median", "", "", median(ratios).toFixed(3)]);
  expect(ratios).toHaveLength(turns);
});

test("the page meanwhile", async () => {
  print(["workers", "long tasks", "longest", "main thread busy", "its longest task, processor time"]);
  print(["---:", "---:", "---:", "---:", "---:"]);
  for (const workers of [1, 4]) {
    const page = await closurePage();
    const session = await page.context().newCDPSession(page);
    await page.evaluate(watchLongTasks);
    await browser.startTracing(page, { categories: ["toplevel", "devtools.timeline"] });
    const begin = await threadTime(session);
    await start(page, workers);
    await page.waitForTimeout(seconds * 1000);
    const busy = (await threadTime(session)) - begin;
    const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
    const long = await page.evaluate(() => window.longTasks);
    print([
      String(workers),
      String(long.length),
      `${Math.max(0, ...long).toFixed(0)} ms`,
      `${((100 * busy) / seconds).toFixed(1)} %`,
      `${longestTask(trace.traceEvents).toFixed(1)} ms`,
    ]);
    await page.context().close();
  }
});

/** Steps per second of the engine alone. */
async function bare(): Promise<number> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${site}testpage.html`);
  const request = { source: { closure: closure.reference.digest }, seconds };
  const text = await page.evaluate((r) => window.reprise("bench", r), request);
  await context.close();
  const outcome = JSON.parse(text) as Outcome<BenchReport>;
  if ("failure" in outcome) throw new Error(outcome.failure.message);
  return outcome.value.steps / outcome.value.seconds;
}

/** Steps per second that the page shows, between two moments well inside the training. */
async function replaySpeed(): Promise<number> {
  const page = await closurePage();
  await start(page, 1);
  const first = await page.evaluate(nextCount, 20);
  await page.waitForTimeout(seconds * 1000);
  const last = await page.evaluate(nextCount, first.steps + 1);
  await page.context().close();
  return (1000 * (last.steps - first.steps)) / (last.at - first.at);
}

async function closurePage(): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${site}c/${name}`);
  await page.getByRole("button", { name: "Verify now" }).waitFor();
  await page.waitForLoadState("networkidle");
  return page;
}

async function start(page: Page, workers: number): Promise<void> {
  await page.getByRole("radio", { name: "Replay the training" }).check();
  await page.getByRole("slider", { name: "Workers" }).fill(String(workers));
  await page.getByRole("button", { name: "Replay now" }).click();
}

/** Waits, in the page, until it shows at least so many steps and has just changed; says when. */
function nextCount(least: number): Promise<{ steps: number; at: number }> {
  return new Promise((resolve) => {
    let shown: number | undefined;
    const look = () => {
      const found = /([\d,]+) of [\d,]+ steps/.exec(document.querySelector(".advance")?.textContent ?? "");
      const steps = Number(found?.[1]?.replaceAll(",", "") ?? 0);
      if (shown !== undefined && steps !== shown && steps >= least) resolve({ steps, at: performance.now() });
      else setTimeout(look, 2);
      shown = steps;
    };
    look();
  });
}

declare global {
  interface Window {
    longTasks: number[];
  }
}

function watchLongTasks(): void {
  window.longTasks = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
  }).observe({ type: "longtask" });
}

/** Seconds of processor time of the page's main thread. */
async function threadTime(session: CDPSession): Promise<number> {
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find((m) => m.name === "ThreadTime")?.value ?? 0;
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of processor time. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/** Milliseconds of processor time, which other programs do not lengthen. */
function longestTask(events: readonly TraceEvent[]): number {
  const threads = events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain");
  const main = new Set(threads.map((e) => `${e.pid} ${e.tid}`));
  const tasks = events.filter((e) => e.name.endsWith("RunTask") && main.has(`${e.pid} ${e.tid}`));
  return Math.max(0, ...tasks.map((e) => (e.tdur ?? 0) / 1000));
}
