// How soon the front page of a large zoo can be used on a slow processor, as a table on standard output: medians over cold
// visits of a running reprise serve. REPRISE_BENCH_SITE=http://… npm run bench -- front

import { writeSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumOptions } from "../e2e/chromium.ts";
import { median } from "./median.ts";

const { REPRISE_BENCH_SITE: site } = process.env;
if (!site) throw new Error("REPRISE_BENCH_SITE must be the address of the site to measure");
const visits = Number(process.env.REPRISE_BENCH_VISITS ?? "9");
const slowdowns = (process.env.REPRISE_BENCH_SLOWDOWNS ?? "1,4").split(",").map(Number);
const standardOutput = 1;
const print = (cells: readonly string[]) => writeSync(standardOutput, `| ${cells.join(" | ")} |\n`);

interface Visit {
  /** Milliseconds since the visitor set out. */
  readonly paint: number;
  readonly cards: number;
  /** It answers to what is typed and chosen from now on. */
  readonly ready: number;
  /** From the last letter of a search to its cards. */
  readonly search: number;
  /** Cumulative layout shift of all that. */
  readonly shift: number;
  /** Milliseconds of tasks of the main thread before ready, and of its longest. */
  readonly script: number;
  readonly longest: number;
  /** Bytes of script before the visitor does anything, as they were sent. */
  readonly bytes: number;
  /** Milliseconds of processor time of the main thread until then, which other programs lengthen least. */
  readonly busy: number;
}

let browser: Browser;
beforeAll(async () => {
  browser = await chromium.launch(chromiumOptions());
});
afterAll(() => browser?.close());

test("the front page", async () => {
  print([
    "processor",
    "first paint",
    "cards visible",
    "answers",
    "search",
    "script",
    "layout shift",
    "blocked",
    "longest task",
    "busy",
  ]);
  print(["---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:"]);
  print(["goal, at 1/4", "", "< 1000 ms", "< 1000 ms", "< 1000 ms", "≤ 200 kB", "< 0.05", "", "", ""]);
  for (const slowdown of slowdowns) {
    await visit(slowdown); // the server and the browser warm up
    const all: Visit[] = [];
    for (let i = 0; i < visits; i++) all.push(await visit(slowdown));
    const of = (field: keyof Visit) => median(all.map((v) => v[field]));
    const ms = (field: keyof Visit) => `${of(field).toFixed(0)} ms`;
    print([
      `1/${slowdown}`,
      ms("paint"),
      ms("cards"),
      ms("ready"),
      ms("search"),
      `${(of("bytes") / 1000).toFixed(1)} kB`,
      Math.max(...all.map((v) => v.shift)).toFixed(4),
      ms("script"),
      ms("longest"),
      ms("busy"),
    ]);
    expect(all).toHaveLength(visits);
  }
});

/** Visits once, with empty caches. */
async function visit(slowdown: number): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  await session.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  await page.addInitScript(observe);
  await page.goto(site as string, { waitUntil: "commit" });
  await page.waitForFunction(
    () =>
      window.seen.cards > 0 &&
      ["ready", "first-contentful-paint"].every((name) => performance.getEntriesByName(name).length > 0),
  );
  const seen = await page.evaluate(() => ({
    ...window.seen,
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
    ready: performance.getEntriesByName("ready")[0]?.startTime ?? 0,
  }));
  await page.waitForLoadState("networkidle");
  const bytes = await page.evaluate(() =>
    (performance.getEntriesByType("resource") as PerformanceResourceTiming[])
      .filter(({ name }) => name.endsWith(".js"))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  );
  const { metrics } = await session.send("Performance.getMetrics");
  const busy = 1000 * (metrics.find((m) => m.name === "TaskDuration")?.value ?? Number.NaN);
  const box = page.getByRole("searchbox");
  await box.pressSequentially("galaxies");
  await page.evaluate(() => window.watch("galaxies"));
  await page.waitForFunction(() => window.seen.search > 0);
  const { search, shift } = await page.evaluate(() => window.seen);
  await context.close();
  return { ...seen, search, shift, bytes, busy };
}

declare global {
  interface Window {
    seen: { cards: number; search: number; shift: number; script: number; longest: number };
    watch: (text: string) => void;
  }
}

/** Runs in the page, before all else. */
function observe(): void {
  const seen = { cards: 0, search: 0, shift: 0, script: 0, longest: 0 };
  window.seen = seen;
  const each = (type: string, take: (entry: PerformanceEntry) => void) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  each("layout-shift", (entry) => {
    const { value, hadRecentInput } = entry as PerformanceEntry & { value: number; hadRecentInput: boolean };
    if (!hadRecentInput) seen.shift += value;
  });
  each("longtask", (entry) => {
    if (performance.getEntriesByName("ready").length > 0) return;
    seen.script += entry.duration;
    seen.longest = Math.max(seen.longest, entry.duration);
  });
  const painted = (found: () => boolean, then: () => void) => {
    const look = () => {
      if (found())
        requestAnimationFrame(() => setTimeout(then)); // after the frame that shows it
      else requestAnimationFrame(look);
    };
    look();
  };
  painted(
    () => document.querySelector("article.closure-card") !== null,
    () => {
      seen.cards = performance.now();
    },
  );
  window.watch = (text) => {
    const begin = performance.now();
    painted(
      () => {
        const names = [...document.querySelectorAll("article.closure-card .closure-card-name")];
        return names.length > 0 && names.every((n) => n.textContent?.includes(text));
      },
      () => {
        seen.search = performance.now() - begin;
      },
    );
  };
}
