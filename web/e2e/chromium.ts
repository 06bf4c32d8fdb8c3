// Chromium, driven over its own protocol.

import { chromium, type LaunchOptions } from "playwright-core";
import type { Browser } from "./browser.ts";
import { Diary } from "./diary.ts";

/** Milliseconds that a slow machine may take to start the browser, or to load a page. */
export const patience = 120_000;

export function chromiumOptions(): LaunchOptions {
  return {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    timeout: patience,
    // Root, as in a container, has no sandbox to give.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  };
}

export async function launchChromium(): Promise<Browser> {
  const browser = await chromium.launch(chromiumOptions());
  return {
    async open(address) {
      const page = await browser.newPage();
      const diary = new Diary(address);
      page.on("console", (message) => diary.note(message.type(), message.text()));
      page.on("pageerror", (error) => diary.note("pageerror", error.message));
      page.on("requestfailed", (request) => diary.note("requestfailed", request.url()));
      await page.goto(address, { timeout: patience });
      return { diary, evaluate: (expression) => page.evaluate(expression), close: () => page.close() };
    },
    close: () => browser.close(),
  };
}
