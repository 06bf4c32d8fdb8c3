// Firefox, driven over WebDriver BiDi.

import { type Browser as Driver, launch } from "puppeteer-core";
import type { Browser } from "./browser.ts";
import { patience } from "./chromium.ts";
import { Diary } from "./diary.ts";

export async function launchFirefox(): Promise<Browser> {
  const browser = await launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    args: ["--remote-allow-system-access"], // for forgetWorkers
    timeout: patience,
    protocolTimeout: 900_000, // a training takes what it takes
  });
  await forgetWorkers(browser);
  return {
    async open(address) {
      const page = await within(browser.newPage(), "a new tab");
      const diary = new Diary(address);
      page.on("console", (message) => diary.note(message.type(), message.text()));
      page.on("pageerror", (error) => diary.note("pageerror", String(error)));
      page.on("requestfailed", (request) => diary.note("requestfailed", request.url()));
      await page.goto(address, { timeout: patience });
      return {
        diary,
        evaluate: async (expression) => (await page.evaluate(expression)) as string,
        close: () => within(page.close(), "a tab's end"),
      };
    },
    async close() {
      // One that no longer answers would keep the tests from ending.
      const process = browser.process();
      await within(browser.close(), "its end").catch(() => process?.kill("SIGKILL"));
    },
  };
}

/** Puppeteer itself waits for an answer as long as a training takes. */
async function within<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Firefox: ${what} timed out`)), patience);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/**
 * Keeps WebDriver from listening for workers. With any listener at nsIWorkerDebuggerManager, a worker that starts a worker waits
 * until the main thread has told the listeners: on the condition variable of the child, on which the child's own thread waits
 * for work as well. SetIsDebuggerRegistered wakes one of the two. When it is the child, the parent never returns from
 * `new Worker`: in Firefox 153, once in some 60 starts while other programs keep the processors busy, in a page of ten lines, and
 * in none of 400 runs without the listener. Every WebDriver session sets one up, though nothing here needs it.
 */
async function forgetWorkers(browser: Driver): Promise<void> {
  const script = `ChromeUtils.importESModule(
    "chrome://remote/content/shared/js-process-actors/WebDriverWorkerListenerActor.sys.mjs",
  ).unregisterWebDriverWorkerListenerActor()`;
  const outcome = await within(inChrome(browser, script), "the window").catch((thrown: unknown) => String(thrown));
  // Another version may do without it; what waits in vain is tried once more in any case.
  if (outcome !== "success") console.warn(`Firefox goes on listening for workers: ${outcome}`);
}

/** Runs a script in Firefox's own window. Puppeteer has no types for what WebDriver BiDi is extended by. */
async function inChrome(browser: Driver, expression: string): Promise<string> {
  type Send = (method: string, params: object) => Promise<{ readonly result: never }>;
  const { connection } = browser as unknown as { readonly connection: { readonly send: Send } };
  const tree: { readonly contexts: readonly { readonly context: string }[] } = (
    await connection.send("browsingContext.getTree", { "moz:scope": "chrome" })
  ).result;
  const evaluated: { readonly type: string; readonly exceptionDetails?: { readonly text: string } } = (
    await connection.send("script.evaluate", {
      expression,
      target: { context: tree.contexts[0]?.context },
      awaitPromise: true,
    })
  ).result;
  return evaluated.exceptionDetails?.text ?? evaluated.type;
}
