// Pages of sessions in Chromium, against the stand-in of the server: whom they keep out, what they shift, what they break.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chromiumOptions, patience } from "./chromium.ts";
import { serveMock } from "./mock/server.ts";
import type { TestServer } from "./server.ts";

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const places = {
  list: { path: "/sessions", until: "article" },
  start: { path: "/sessions/new", until: "textarea" },
  "start from a closure": { path: "/sessions/new?closure=glyphs-cnn:1.0.0", until: "input[type=number]" },
  running: { path: "/s/s1", until: "canvas" },
  finished: { path: "/s/s3", until: "canvas" },
  failed: { path: "/s/s5", until: "canvas" },
  join: { path: "/join/s1", until: ".qr" },
  missing: { path: "/s/nobody", until: "h1" },
};

let server: TestServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  server = await serveMock();
  browser = await chromium.launch(chromiumOptions());
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

afterEach(() => context?.close());

async function open(options: Parameters<Browser["newContext"]>[0]): Promise<void> {
  await context?.close();
  context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(patience);
  // The browser that started the sessions: the owner's forms are part of the pages.
  await context.addInitScript(() => {
    for (const id of ["s1", "s3"]) localStorage.setItem(`reprise.owner.${id}`, "secret");
    const shifts = { sum: 0 };
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) shifts.sum += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  page = await context.newPage();
  complaints = [];
  page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
}

async function go({ path, until }: { readonly path: string; readonly until: string }): Promise<void> {
  await page.goto(server.address.replace(/\/$/, "") + path);
  await page.locator(until).first().waitFor();
}

describe.each(["light", "dark"] as const)("in the %s", (colorScheme) => {
  test.each([1280, 360])("nothing keeps anybody out, %i wide (WCAG 2.2 AA, as far as axe sees)", async (width) => {
    await open({ colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce" });
    for (const [name, place] of Object.entries(places)) {
      await go(place);
      for (const summary of await page.locator("summary").all()) await summary.click();
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() =>
        (window as unknown as { axe: typeof axe }).axe.run({
          runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        }),
      );
      const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200)).join(" | ")}`);
      expect(found, name).toEqual([]);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      expect(wide, `${name} is wider than its window`).toBe(false);
    }
  });
});

test("they stand still while they load, and break no policy", async () => {
  await open({});
  for (const [name, place] of Object.entries(places)) {
    await go(place);
    await page.waitForTimeout(300); // what comes late would shift now
    expect(await page.evaluate(() => (window as unknown as { shifts: { sum: number } }).shifts.sum), name).toBeLessThan(
      0.05,
    );
  }
  // The missing session is asked for, and answered with 404.
  expect(complaints.filter((c) => !c.includes("404"))).toEqual([]);
});

test("joining needs no pointer", async () => {
  await open({});
  await go(places.join);
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => document.activeElement?.textContent)) === "Join") break;
  }
  await page.keyboard.press("Enter");
  // The stand-in has no coordinator, so the participant says that it tries again.
  await page.locator('[data-phase="retrying"]').waitFor();
  await page.getByRole("button", { name: "Leave" }).focus();
  await page.keyboard.press("Enter");
  await page.locator('[data-phase="left"]').waitFor();
});
