// A visitor's browser: everything is done by clicks and keys, in scripts that wait for what they need. What waits in vain
// tells all that is known of the pages and of the server, and is tried once more in a browser of its own.

import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeEach } from "vitest";
import type { SessionDetail, SessionSummary } from "../src/site/session/types.ts";
import type { Browser, Tab } from "./browser.ts";

/** The address of `reprise serve` over a store that e2e/prepare has filled. */
export const site = process.env.REPRISE_E2E_SITE?.replace(/\/$/, "");

/** A comparison that fails once, fails; only a browser that stopped may be started again. */
export const onceMore = { retry: { count: 1, condition: /in vain|Protocol error|Target closed|imed out/ } };

/** Milliseconds: for a machine that is slow and busy. Nobody waits longer than it takes. */
const patience = 150_000;

/** Milliseconds for all of a script. A page whose process is gone says nothing at all. */
const most = 2 * patience;

/** Things to do in a page. */
const inPage = `
  const patience = ${patience};
  async function until(look) {
    for (const end = Date.now() + patience; Date.now() < end; await new Promise((go) => setTimeout(go, 30))) {
      const found = look();
      if (found) return found;
    }
    throw new Error("in vain: " + look);
  }
  const one = (selector) => until(() => document.querySelector(selector));
  const button = (text) => until(() => {
    const all = [...document.querySelectorAll("button:not(:disabled)")].map((b) => [b, b.textContent.trim()]);
    return (all.find(([, t]) => t === text) ?? all.find(([, t]) => t.startsWith(text)))?.[0];
  });
  const click = async (text) => (await button(text)).click();
  const said = (words) => until(() => document.body.innerText.includes(words));
  const field = (label) => until(() => document.getElementById([...document.querySelectorAll("label")].find((l) => l.textContent === label)?.htmlFor));
  const set = (input, value) => {
    const type = input instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(type.prototype, "value").set.call(input, value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
`;

export async function get<T>(path: string): Promise<T> {
  const response = await fetch(`${site}${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** One browser for the tests of a suite, and another one after each that failed. */
export class Visitor {
  readonly #launch: () => Promise<Browser>;
  #browser: Browser | undefined;
  #tabs: Tab[] = [];

  constructor(launch: () => Promise<Browser>) {
    this.#launch = launch;
    beforeEach(async () => {
      this.#browser ??= await launch();
    });
    afterEach(async ({ task }) => {
      const tabs = this.#tabs;
      this.#tabs = [];
      if (task.result?.errors?.length) return this.#leave();
      await Promise.all(tabs.map((tab) => tab.close())).catch(() => this.#leave());
    });
    afterAll(() => this.#leave());
  }

  /** Opens a page of the site in a tab, by way of another address where one is given. It is closed after the test. */
  async open(path: string, address = site): Promise<Tab> {
    this.#browser ??= await this.#launch();
    const tab = await this.#browser.open(`${address}${path}`);
    this.#tabs.push(tab);
    return tab;
  }

  /** Closes a tab in the middle of a test. */
  async close(tab: Tab): Promise<void> {
    this.#tabs.splice(this.#tabs.indexOf(tab), 1);
    await tab.close();
  }

  /** Runs statements in a page and returns what they return. */
  async act<T = unknown>(tab: Tab, statements: string): Promise<T> {
    try {
      const script = `(async () => { ${inPage} ${statements}; return true; })().then(JSON.stringify)`;
      const text = await Promise.race([tab.evaluate(script), silence(most)]);
      if (text === undefined) throw new Error("in vain: the page does not answer");
      return JSON.parse(text) as T;
    } catch (thrown) {
      throw await this.#explain(thrown instanceof Error ? thrown.message : String(thrown), tab);
    }
  }

  /** Waits for something that the server says of a session. */
  async until(id: string, so: (detail: SessionDetail) => boolean): Promise<void> {
    for (const end = Date.now() + patience; Date.now() < end; await new Promise((go) => setTimeout(go, 5))) {
      if (so(await get<SessionDetail>(`/api/v1/sessions/${id}`))) return;
    }
    throw await this.#explain(`in vain: ${so}`);
  }

  async #explain(why: string, waiting?: Tab): Promise<Error> {
    const account = await Promise.all([...this.#tabs.map((t) => describeTab(t, t === waiting)), describeServer()]);
    return new Error([why, ...account.flat()].join("\n  "));
  }

  async #leave(): Promise<void> {
    const browser = this.#browser;
    this.#browser = undefined;
    await browser?.close();
  }
}

/** Nothing, after so many milliseconds. */
function silence(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, undefined).unref());
}

/** Characters of a page's text that are told: much of the page that waits, little of the others. */
const told = { much: 1200, little: 300 };

async function describeTab(tab: Tab, waiting: boolean): Promise<string[]> {
  const look = `document.visibilityState + ", " + (document.querySelector("main")?.innerText ?? document.body.innerText)`;
  const text = (await Promise.race([tab.evaluate(look).catch(String), silence(10_000)])) ?? "does not answer";
  const short = text.replaceAll(/\s*\n\s*/g, " | ").slice(0, waiting ? told.much : told.little);
  return [
    `${waiting ? "waited on" : "beside"} ${tab.diary.address}, ${short}`,
    ...tab.diary.lines.map((l) => `  ${l}`),
  ];
}

async function describeServer(): Promise<string[]> {
  const lines: string[] = [];
  try {
    const { sessions } = await get<{ sessions: SessionSummary[] }>("/api/v1/sessions");
    for (const { id } of sessions.slice(0, 2)) {
      const d = await get<SessionDetail>(`/api/v1/sessions/${id}`);
      const people = d.people.map((p) => `${p.runtime} ${p.state} ${p.computed}`).join(", ");
      lines.push(`session ${id}: ${d.state}, step ${d.step} of ${d.steps}; ${people}`);
      lines.push(...d.log.slice(0, 4).map((h) => `  ${h.time} step ${h.step}: ${h.text}`));
    }
  } catch (thrown) {
    lines.push(`the server: ${thrown}`);
  }
  const log = process.env.REPRISE_E2E_LOG;
  if (log !== undefined) {
    const text = readFileSync(log, "utf8").trimEnd();
    if (text !== "")
      lines.push(
        "the server's log ends with",
        ...text
          .split("\n")
          .slice(-8)
          .map((l) => `  ${l.slice(0, 300)}`),
      );
  }
  return lines;
}
