// The site in Chromium, as a visitor uses it: against reprise serve where REPRISE_E2E_SITE gives its address, else against
// its stand-in.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import type axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page, type Response } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hostileText } from "../fixtures/site.ts";
import type { ClosureList, DatasetList, Summary } from "../src/site/api/types.ts";
import { chromiumOptions, patience } from "./chromium.ts";
import { serveMock } from "./mock/server.ts";
import type { TestServer } from "./server.ts";

const given = process.env.REPRISE_E2E_SITE;
const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let server: TestServer | undefined;
let site: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the page complained of. */
let complaints: string[];
/** The scripts that were loaded. */
let scripts: Response[];
let closure: Summary;
let dataset: string;

beforeAll(async () => {
  server = given === undefined ? await serveMock() : undefined;
  site = (given ?? server?.address ?? "").replace(/\/$/, "");
  const closures = (await (await fetch(`${site}/api/v1/closures`)).json()) as ClosureList;
  const datasets = (await (await fetch(`${site}/api/v1/datasets`)).json()) as DatasetList;
  if (closures.items[0] === undefined || datasets.items[0] === undefined) throw new Error(`${site}: an empty zoo`);
  closure = closures.items.find((c) => c.name === "glyphs-cnn") ?? closures.items[0];
  dataset = datasets.items[0].name;
  browser = await chromium.launch(chromiumOptions());
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach(() => open({}));

afterEach(() => context?.close());

async function open(options: Parameters<Browser["newContext"]>[0]): Promise<void> {
  await context?.close();
  context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(patience);
  page = await context.newPage();
  complaints = [];
  scripts = [];
  page.on("console", (message) => {
    // What failed to load is noted below, with its address.
    const text = message.text();
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) complaints.push(text);
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("response", (response) => {
    // The page of what is not there, and what it asks for, are answered with 404.
    // A store that e2e/prepare filled has a dataset with a damaged shard, whose samples cannot be drawn.
    const missing =
      /no-such-closure|damaged-glyphs/.test(response.url()) || response.request().resourceType() === "document";
    if (response.status() >= 400 && !missing) complaints.push(`${response.status()} ${response.url()}`);
    if (response.request().resourceType() === "script") scripts.push(response);
  });
  await page.addInitScript(() => {
    const shifts = { sum: 0 };
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) shifts.sum += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
}

async function go(path: string): Promise<void> {
  await page.goto(site + path);
  await page.waitForLoadState("networkidle");
}

function shift(): Promise<number> {
  return page.evaluate(() => (window as unknown as { shifts: { sum: number } }).shifts.sum);
}

/** Loads what is loaded only when it comes into view. */
async function scrollThrough(): Promise<void> {
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 400) {
      window.scrollTo(0, y);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
    window.scrollTo(0, 0);
  });
  await page.waitForLoadState("networkidle");
}

/** For a slow machine; nobody waits longer than it takes. */
const patient = { timeout: 60_000 };

/** Lists are drawn by the server: the stand-in has none. */
const lists = (): [string, string][] =>
  given === undefined
    ? []
    : [
        ["front page", "/"],
        ["search without a result", "/?q=no-such-closure-at-all"],
        ["datasets", "/d"],
      ];

const places = (): [string, string][] => [
  ...lists(),
  ["closure", `/c/${closure.name}:${closure.version}`],
  ["closure by digest", `/c/${closure.name}@${closure.digest}`],
  ["dataset", `/d/${dataset}`],
  ["about", "/about"],
  ["missing closure", "/c/no-such-closure"],
  ["missing page", "/no/such/page"],
];

describe.skipIf(given === undefined)("lists", () => {
  test("browse, search, open", async () => {
    await go("/");
    await page.getByRole("searchbox").fill(closure.name);
    await page.waitForURL(`**/?q=${closure.name}`);
    const card = page.getByRole("article").first();
    await card.getByRole("link").click();
    await page.getByRole("heading", { level: 2, name: "Reproduce" }).waitFor();
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toContain(closure.title.slice(0, 20));
    await page.goBack();
    await page.getByRole("searchbox").waitFor();
    expect(await page.getByRole("searchbox").inputValue()).toBe(closure.name);
    expect(complaints).toEqual([]);
  });

  test("a choice narrows, and clearing brings all back", async () => {
    await go("/");
    const all = await page.getByRole("status").textContent();
    await page.getByLabel("Task").selectOption("tabular-classification");
    await page.waitForURL("**/?task=tabular-classification");
    await page.getByRole("link", { name: "Clear the search" }).click();
    await page.waitForURL(`${site}/`);
    await expect.poll(() => page.getByRole("status").textContent(), patient).toBe(all);
    expect(await page.getByLabel("Task").inputValue()).toBe("");
  });

  test("can be searched without scripts", async () => {
    await open({ javaScriptEnabled: false });
    await go("/");
    await page.getByRole("searchbox").fill(closure.name);
    await page.getByRole("searchbox").press("Enter");
    await page.waitForURL(/[?&]q=/);
    expect(await page.getByRole("article").first().textContent()).toContain(closure.name);
  });

  test("what was typed before the script came is searched for", async () => {
    await page.route("**/assets/list-*.js", async (route) => {
      await page.getByRole("searchbox").fill(closure.name);
      await route.continue();
    });
    await page.goto(`${site}/`);
    await page.waitForURL(`**/?q=${closure.name}`);
    expect(await page.getByRole("searchbox").inputValue()).toBe(closure.name);
    await expect.poll(() => page.evaluate(() => document.activeElement?.id), patient).toBe("q");
    expect(complaints).toEqual([]);
  });

  test("have the frame of all pages, and its colours", async () => {
    const frame = () =>
      page.evaluate(() =>
        ["a.skip", "header.top", "footer.bottom"].map((selector) => {
          const element = document.querySelector(selector)?.cloneNode(true) as HTMLElement;
          for (const here of element.querySelectorAll("[aria-current]")) here.removeAttribute("aria-current");
          return element.outerHTML;
        }),
      );
    await go("/");
    await page.getByRole("button", { name: "Colours" }).click();
    await page.getByRole("button", { name: "Colours: Light" }).click();
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
    const list = await frame();
    await go("/about");
    await page.getByRole("button", { name: "Colours: Dark" }).waitFor();
    expect(await frame()).toEqual(list);
  });

  test("show hostile text in its box", async () => {
    // What the server makes of such texts is tested beside it; this is what they do to a page.
    const escaped = hostileText.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    await page.route(`${site}/`, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: (await response.text()).replaceAll(closure.title, () => escaped) });
    });
    await go("/");
    expect(await page.getByRole("article").filter({ hasText: "<script>" }).count()).toBeGreaterThan(0);
    expect(await page.evaluate(() => "harmed" in window)).toBe(false);
    expect(await page.locator("header.top").isVisible()).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    expect(complaints).toEqual([]);
  });
});

describe.each(["light", "dark"] as const)("in the %s", (colorScheme) => {
  test("nothing keeps anybody out (WCAG 2.2 AA, as far as axe sees)", async () => {
    for (const viewport of [
      { width: 1280, height: 900 },
      { width: 360, height: 740 },
    ]) {
      await open({ colorScheme, viewport, reducedMotion: "reduce" });
      for (const [name, path] of places()) {
        await go(path);
        await page.evaluate(axeSource);
        const { violations } = await page.evaluate(() =>
          (window as unknown as { axe: typeof axe }).axe.run({
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
          }),
        );
        const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200)).join(" | ")}`);
        expect(found, `${name}, ${viewport.width} wide`).toEqual([]);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
        expect(wide, `${name} is wider than its window of ${viewport.width}`).toBe(false);
      }
    }
  });
});

test("pages stand still while they load", async () => {
  for (const [name, path] of places()) {
    await go(path);
    await scrollThrough();
    expect(await shift(), name).toBeLessThan(0.05);
  }
});

test("little script comes before the first interaction", async () => {
  for (const [path, most] of [
    ["/", 5_000],
    [`/c/${closure.name}`, 200_000],
  ] as const) {
    if (path === "/" && given === undefined) continue;
    await open({});
    await go(path);
    const bodies = await Promise.all(scripts.map((response) => response.body()));
    const total = bodies.reduce((sum, body) => sum + gzipSync(body).length, 0);
    expect(total, path).toBeLessThan(most);
  }
});

test("the keyboard reaches everything", async () => {
  const focused = () => page.evaluate(() => document.activeElement?.id);
  await go(given === undefined ? "/about" : "/");
  await page.keyboard.press("Tab");
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.textContent), patient)
    .toBe("Skip to the content");
  await page.keyboard.press("Enter");
  await expect.poll(focused, patient).toBe("main");
  if (given !== undefined) {
    const title = await page.getByRole("article").first().getByRole("heading").textContent();
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(
        () => document.activeElement?.closest("article")?.querySelector("h2")?.textContent,
      );
      if (here === title) break;
    }
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 2, name: "Reproduce" }).waitFor();
  }
  // A page that the script exchanges is announced by the focus; one that the browser loads, by the browser.
  await page.getByRole("link", { name: "How that works" }).press("Enter");
  await page.getByRole("heading", { level: 1, name: "The same numbers" }).waitFor();
  if (given !== undefined) await expect.poll(focused, patient).toBe("main");
  await expect.poll(() => page.evaluate(() => window.scrollY), patient).toBe(0);
});

test("nothing breaks the policy of the page, and no page complains", async () => {
  for (const [, path] of places()) {
    await go(path);
    await scrollThrough();
  }
  expect(complaints).toEqual([]);
});

test("a hostile closure changes nothing outside its box", async () => {
  // The stand-in has one whatever zoo the other tests visit.
  const honest = site;
  const hostile = await serveMock();
  site = hostile.address.replace(/\/$/, "");
  try {
    await go("/c/hostile");
    await scrollThrough();
    expect(await page.evaluate(() => "harmed" in window)).toBe(false);
    expect(await page.locator("header.top").isVisible()).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    expect(complaints).toEqual([]);
  } finally {
    site = honest;
    await hostile.close();
  }
});
