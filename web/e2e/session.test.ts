// A session over tabs of real browsers, against a real server: REPRISE_E2E_SITE is the address of `reprise serve` over a
// store that e2e/prepare has filled. Everything that a visitor does is done by clicks and keys.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ClosureDetail } from "../src/site/api/types.ts";
import type { SessionDetail } from "../src/site/session/types.ts";
import { type Browser, browsers, type Tab } from "./browser.ts";

const given = process.env.REPRISE_E2E_SITE;
const site = given?.replace(/\/$/, "");

async function get<T>(path: string): Promise<T> {
  const response = await fetch(`${site}${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** Things to do in a page; each waits until what it needs is there. */
const inPage = `
  const patience = 120000;
  async function until(look) {
    for (const end = Date.now() + patience; Date.now() < end; await new Promise((go) => setTimeout(go, 30))) {
      const found = look();
      if (found) return found;
    }
    throw new Error("in vain: " + look + " on " + document.body.innerText.slice(0, 3000));
  }
  const one = (selector) => until(() => document.querySelector(selector));
  const button = (text) => until(() => [...document.querySelectorAll("button:not(:disabled)")].find((b) => b.textContent.trim() === text));
  const click = async (text) => (await button(text)).click();
  const phase = (...names) => until(() => names.includes(document.querySelector("[data-phase]")?.dataset.phase));
  const said = (words) => until(() => document.body.innerText.includes(words));
  const fact = (name) => [...document.querySelectorAll(".facts div")].find((d) => d.querySelector("dt").textContent === name)?.querySelector("dd").textContent;
  const field = (label) => until(() => document.getElementById([...document.querySelectorAll("label")].find((l) => l.textContent === label)?.htmlFor));
  const set = (input, value) => {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
`;

/** Runs statements in a page and returns what they return. */
async function act<T = unknown>(tab: Tab, statements: string): Promise<T> {
  const text = await tab.evaluate(`(async () => { ${inPage} ${statements}; return true; })().then(JSON.stringify)`);
  return JSON.parse(text) as T;
}

/** A version that no other test has taken. */
function newVersion(): string {
  return `1.${Date.now()}.0`;
}

test("there is a server where CI runs", () => {
  if (process.env.CI !== undefined) expect(site).toBeDefined();
});

// Firefox has been seen to stall when it starts workers. Only what waited in vain is tried again.
const stalled = { retry: { count: 1, condition: /in vain/ } };

describe.runIf(site).each(browsers("chromium,firefox"))("$name", stalled, ({ launch }) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  test("two tabs repeat a published training together: its digest", async () => {
    const { closure } = await get<ClosureDetail>("/api/v1/closure?ref=glyphs-cnn:1.0.0");
    const owner = await browser.open(`${site}/c/glyphs-cnn:1.0.0`);
    // The owner pauses at once, so that nobody is done before everybody is there.
    await act(
      owner,
      `
      (await until(() => [...document.querySelectorAll("a")].find((a) => a.textContent === "Train together"))).click();
      (await one('input[name="source"][value="replay"]')).click();
      // The other tests' closures stay what they are.
      set(await field("Name of the result"), "glyphs-together");
      set(await field("Version of the result"), "${newVersion()}");
      await click("Start");
      await click("Pause for all");
      await button("Resume");
    `,
    );
    const id = await act<string>(owner, "return location.pathname.slice(3)");
    const tabs = await Promise.all([1, 2].map(() => browser.open(`${site}/join/${id}`)));
    for (const tab of tabs) {
      await act(
        tab,
        `
        set(await one(".workers input"), "2");
        await click("Join");
        await phase("following");
        await said("The session is paused");
      `,
      );
    }
    await act(owner, `await click("Resume")`);
    // One of them rests for a while, and works on.
    await act(
      tabs[1] as Tab,
      `
      await until(() => Number(fact("Microbatches computed").replaceAll(",", "")) > 0);
      await click("Pause");
      await said("Paused by you.");
      await click("Go on");
    `,
    );
    const shown = await Promise.all(
      tabs.map((tab) =>
        act<{ run: string; computed: number }>(
          tab,
          `
          await phase("ended");
          return {
            run: (await one(".contribution-phase ~ .stack code")).textContent,
            computed: Number(fact("Microbatches computed").replaceAll(",", "")),
          };
        `,
        ),
      ),
    );
    for (const { run, computed } of shown) {
      expect(run).toBe(closure.run.digest);
      expect(computed).toBeGreaterThan(0);
    }
    // The server publishes what is done.
    await act(
      owner,
      `await until(() => [...document.querySelectorAll("p")].find((p) => p.textContent.startsWith("Published as glyphs-together:")))`,
    );
    const detail = await get<SessionDetail>(`/api/v1/sessions/${id}`);
    expect(detail).toMatchObject({ state: "published", run: closure.run.digest, relation: "retrained" });
    const published = await get<ClosureDetail>(`/api/v1/closure?ref=${detail.closure}`);
    expect(published.closure.run.digest).toBe(closure.run.digest);
    for (const tab of [owner, ...tabs]) await tab.close();
  });

  test("a specification that is wrong is refused with its place; a right one trains, is tried and changed while it does, is stopped and published", async () => {
    const tab = await browser.open(`${site}/sessions/new`);
    const specification = {
      name: "letters-stopped",
      version: newVersion(),
      title: "Letters, once more",
      license: "Apache-2.0",
      task: "image-classification",
      model: {
        input: { shape: [28, 28, 1], dtype: "u8", normalize: { scale: 0.00392156862745098 } },
        layers: [{ flatten: {} }, { dense: { units: 10 } }],
        loss: "softmax-cross-entropy",
      },
      algorithm: {
        optimizer: { sgd: { learningRate: 0.1 } },
        microbatchSize: 8,
        batchSize: 64,
        steps: 100_000,
        seed: 3,
      },
      datasets: { train: { ref: "glyphs:1.0.0", split: "train" }, test: { ref: "glyphs:1.0.0", split: "test" } },
    };
    const wrong = { ...specification, model: { ...specification.model, layers: [{ dense: { units: 0 } }] } };
    const fill = (text: string) => `
      const area = await one("textarea");
      Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(area, ${JSON.stringify(text)});
      area.dispatchEvent(new Event("input", { bubbles: true }));
      await click("Start");
    `;
    const refusal = await act<string>(
      tab,
      `${fill(JSON.stringify(wrong))} return (await one("[role=alert]")).textContent`,
    );
    expect(refusal).toMatch(/units/);
    const id = await act<string>(
      tab,
      `
      ${fill(JSON.stringify(specification))}
      await until(() => location.pathname.startsWith("/s/"));
      return location.pathname.slice(3)
    `,
    );
    const joined = await browser.open(`${site}/join/${id}`);
    await act(
      joined,
      `
      await click("Join");
      await said("Working.");
      await click("Try it");
      (await one("button.try-sample")).click();
      await one("[data-guess]");
    `,
    );
    // Another number of workers does not end the part.
    await act(
      joined,
      `
      set(await one(".workers input"), "3");
      await until(() => fact("Workers") === "3");
      await phase("following");
    `,
    );
    await act(
      tab,
      `
      await said("Participants");
      await one("canvas");
      set(await one(".rates input"), "0.05");
      await click("Change it");
      await said("is 0.05 from the next step on");
      await click("Stop …");
      await click("Stop it for good");
      set(await field("Version"), "${specification.version}-stopped");
      await click("Publish the closure");
      await until(() => [...document.querySelectorAll("a")].find((a) => a.textContent.endsWith("-stopped")));
    `,
    );
    await act(joined, `await phase("ended", "failed")`);
    const stopped = await get<SessionDetail>(`/api/v1/sessions/${id}`);
    expect(stopped).toMatchObject({ state: "published", closure: `letters-stopped:${specification.version}-stopped` });
    expect(stopped.step).toBeLessThan(100_000);
    for (const each of [tab, joined]) await each.close();
  });
});
