// Pictures of the pages, light, dark and on a phone, into bin/screenshots: of reprise serve where REPRISE_E2E_SITE gives its
// address, else of its stand-in.

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import type { ClosureList, DatasetList } from "../src/site/api/types.ts";
import { chromiumOptions } from "./chromium.ts";
import { serveMock } from "./mock/server.ts";
import type { TestServer } from "./server.ts";

const folder = fileURLToPath(new URL("../../bin/screenshots/", import.meta.url));
const given = process.env.REPRISE_E2E_SITE;

const looks = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
} as const;

let server: TestServer | undefined;
let site: string;
let browser: Browser;
let pages: Record<string, Shot>;

interface Shot {
  readonly path: string;
  readonly until?: string;
  readonly whole?: boolean;
  /** What a visitor does before the picture is taken. */
  readonly act?: (page: Page) => Promise<unknown>;
}

beforeAll(async () => {
  server = given === undefined ? await serveMock() : undefined;
  site = (given ?? server?.address ?? "").replace(/\/$/, "");
  const closures = (await (await fetch(`${site}/api/v1/closures?sort=accuracy`)).json()) as ClosureList;
  const datasets = (await (await fetch(`${site}/api/v1/datasets`)).json()) as DatasetList;
  const closure = closures.items.find((c) => c.name === "glyphs-cnn") ?? closures.items[0];
  const table = closures.items.find((c) => c.task.startsWith("tabular")) ?? closure;
  const dataset = datasets.items.find((d) => d.sample !== "") ?? datasets.items[0];
  if (closure === undefined || table === undefined || dataset === undefined) throw new Error(`${site}: an empty zoo`);
  const path = `/c/${closure.name}:${closure.version}`;
  pages = {
    "01-front": { path: "/", whole: true },
    "02-search": { path: `/?q=${encodeURIComponent(closure.name)}` },
    "03-closure": { path },
    "04-closure-whole": { path, whole: true },
    "05-closure-training": { path, until: "#training" },
    "06-closure-data": { path, until: "#data" },
    "07-table": { path: `/c/${table.name}:${table.version}` },
    "08-dataset": { path: `/d/${dataset.name}:${dataset.version}`, whole: true },
    "09-about": { path: "/about" },
    "10-missing": { path: "/c/no-such-closure" },
    "11-start": {
      path: `/sessions/new?closure=${encodeURIComponent(`${closure.name}:${closure.version}`)}`,
      whole: true,
    },
  };
  // The stand-in has no closures that can be run.
  if (given !== undefined) {
    pages["16-verified"] = { path, until: "#reproduce", act: verify };
    pages["17-replayed"] = { path, until: "#reproduce", act: replay };
    pages["18-tried"] = { path, until: "#try", act: tryIt };
    pages["19-tried-table"] = { path: `/c/${table.name}:${table.version}`, until: "#try", act: tryIt };
  }
  await mkdir(folder, { recursive: true });
  browser = await chromium.launch(chromiumOptions());
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test.each(Object.entries(looks))("%s", async (look, options) => {
  await shoot(site, pages, look, options);
});

// Sessions in all their states are what the fixtures have.
test.each(Object.entries(looks))("sessions, %s", async (look, options) => {
  const mock = await serveMock();
  try {
    const sessions = {
      "12-sessions": { path: "/sessions", whole: true },
      "13-session": { path: "/s/s1" },
      "14-session-whole": { path: "/s/s1", whole: true },
      "15-join": { path: "/join/s1", whole: true },
    };
    await shoot(mock.address.replace(/\/$/, ""), sessions, look, options);
  } finally {
    await mock.close();
  }
});

async function shoot(
  site: string,
  pages: Record<string, Shot>,
  look: string,
  options: (typeof looks)[keyof typeof looks],
): Promise<void> {
  const context = await browser.newContext({ ...options, reducedMotion: "reduce" });
  const page = await context.newPage();
  for (const [name, { path, until, whole, act }] of Object.entries(pages)) {
    await page.goto(site + path);
    // A stream of events keeps the network busy for good.
    await (path.startsWith("/s/") || path.startsWith("/join/")
      ? page.locator("canvas, .qr").first().waitFor()
      : page.waitForLoadState("networkidle"));
    await loadLazily(page);
    await act?.(page);
    if (until !== undefined) await page.locator(until).evaluate((e) => e.scrollIntoView());
    await page.screenshot({ path: `${folder}${name}-${look}.png`, fullPage: whole ?? false });
  }
  await context.close();
}

/** Pictures are loaded, and cards drawn, when they come into view. */
async function loadLazily(page: Page): Promise<void> {
  await page.evaluate(async () => {
    for (const card of document.querySelectorAll<HTMLElement>(".cards > li")) card.style.contentVisibility = "visible";
    for (const image of document.images) image.loading = "eager";
    await Promise.all([...document.images].map((image) => image.decode().catch(() => undefined)));
  });
}

const verdict = "[data-verdict]";

async function verify(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Verify now" }).click();
  await page.locator(verdict).first().waitFor();
}

async function replay(page: Page): Promise<void> {
  await page.getByRole("radio", { name: "Replay the training" }).check();
  await page.getByRole("button", { name: "Replay now" }).click();
  await page.locator(verdict).first().waitFor();
}

async function tryIt(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Load the model" }).click();
  const pad = page.locator("#try canvas.pad");
  await pad.or(page.locator("#try input[type=range]")).first().waitFor();
  if ((await pad.count()) > 0) await drawLetter(pad);
  await page.locator("[data-guess]").first().waitFor();
}

/** Draws a C. */
async function drawLetter(pad: Locator): Promise<void> {
  await pad.scrollIntoViewIfNeeded();
  const box = await pad.boundingBox();
  if (box === null) throw new Error("there is nothing to draw on");
  const { mouse } = pad.page();
  const at = (turn: number): [number, number] => [
    box.x + box.width * (0.5 + 0.26 * Math.cos(turn)),
    box.y + box.height * (0.5 + 0.32 * Math.sin(turn)),
  ];
  await mouse.move(...at(-0.9));
  await mouse.down();
  for (let turn = -0.9; turn > 0.9 - 2 * Math.PI; turn -= 0.15) await mouse.move(...at(turn));
  await mouse.up();
}
