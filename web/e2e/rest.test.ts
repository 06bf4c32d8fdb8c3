// A participant in Chromium that rests as its visitor has set, on battery and while its tab is hidden, against a real server.
// The page is given a battery and a visibility that the test decides: neither can be had of a machine without a screen.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ParticipantStatus, SessionDetail } from "../src/site/session/types.ts";
import { chromiumOptions, patience } from "./chromium.ts";
import { folder, OwnSession } from "./native.ts";
import { site } from "./visit.ts";

/** What the test decides of the device. */
interface Device {
  plug(charging: boolean, level: number): void;
  hide(hidden: boolean): void;
}

/** Runs in the page, before anything of it does. */
function pretend(): void {
  const battery = Object.assign(new EventTarget(), { charging: true, level: 1 });
  Object.defineProperty(navigator, "getBattery", { value: () => Promise.resolve(battery) });
  let hidden = false;
  Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });
  const device: Device = {
    plug(charging, level) {
      Object.assign(battery, { charging, level });
      battery.dispatchEvent(new Event("chargingchange"));
    },
    hide(now) {
      hidden = now;
      document.dispatchEvent(new Event("visibilitychange"));
    },
  };
  Object.assign(window, { device });
}

const specification = (version: string) => `
name: letters-rested
version: ${version}
title: Letters, with rests
license: Apache-2.0
model:
  input: {shape: [28, 28, 1], dtype: u8, normalize: {scale: 0.00392156862745098}}
  layers: [{flatten: {}}, {dense: {units: 10}}]
  loss: softmax-cross-entropy
algorithm: {optimizer: {sgd: {learningRate: 0.1}}, microbatchSize: 8, batchSize: 512, steps: 1000000, seed: 3}
datasets:
  train: {ref: "glyphs:1.0.0", split: train}
  test: {ref: "glyphs:1.0.0", split: test}
`;

describe.runIf(site)("a tab that rests", () => {
  let browser: Browser;
  let page: Page;
  let session: OwnSession;

  const tabIn = ({ people }: SessionDetail): ParticipantStatus | undefined => people.find((p) => p.family === "v8");

  beforeAll(async () => {
    browser = await chromium.launch(chromiumOptions());
    const context = await browser.newContext();
    context.setDefaultTimeout(patience);
    await context.addInitScript(pretend);
    page = await context.newPage();
    const path = join(folder, "rested.yaml");
    await writeFile(path, specification(`1.${Date.now()}.0`));
    session = await OwnSession.start(path);
    session.join("native");
    await page.goto(new URL(`/join/${session.id}`, site).href);
    await page.getByLabel("Rest while this tab is hidden").check();
    await page.getByLabel("On battery").selectOption("always rest");
    await page.getByRole("button", { name: "Join", exact: true }).click();
    await session.ready(2);
    await session.say("resume");
    await session.everybodyWorks();
  });

  afterAll(async () => {
    await session?.say("stop").catch(() => {});
    session?.end();
    await browser?.close();
  });

  const device = (statement: (d: Device) => void) => page.evaluate(`(${statement})(window.device)`) as Promise<unknown>;

  test.each([
    {
      name: "on battery",
      rest: (d: Device) => d.plug(false, 0.9),
      work: (d: Device) => d.plug(true, 0.9),
      said: "until the device is plugged in",
    },
    {
      name: "while it is hidden",
      rest: (d: Device) => d.hide(true),
      work: (d: Device) => d.hide(false),
      said: "while this tab is hidden",
    },
  ])("$name: the others go on without it, and it takes work again afterwards", async ({ rest, work, said }) => {
    await device(rest);
    const resting = await session.until("the tab rests", (d) => tabIn(d)?.state === "resting");
    await page.getByText(said).first().waitFor();
    // What was on its way when it began to rest has arrived by the end of that step; afterwards it computes nothing.
    const before = await session.until("the step ends", (d) => d.step > resting.step + 1);
    const after = await session.until("others do the steps", (d) => d.step > before.step + 3);
    expect(tabIn(after)).toMatchObject({ state: "resting", computed: tabIn(before)?.computed });
    await device(work);
    await session.until("the tab works", (d) => (tabIn(d)?.computed ?? 0) > (tabIn(after)?.computed ?? 0));
  });
});
