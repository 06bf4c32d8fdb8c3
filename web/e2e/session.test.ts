// A session over tabs of real browsers, against a real server: REPRISE_E2E_SITE is the address of `reprise serve` over a
// store that e2e/prepare has filled. Everything that a visitor does is done by clicks and keys.

import { describe, expect, test } from "vitest";
import type { ClosureDetail } from "../src/site/api/types.ts";
import type { SessionDetail } from "../src/site/session/types.ts";
import { browsers, type Tab } from "./browser.ts";
import { get, onceMore, site, Visitor } from "./visit.ts";

/** What a participant's page shows. */
const inPage = `
  const phase = (...names) => until(() => names.includes(document.querySelector("[data-phase]")?.dataset.phase));
  const fact = (name) => [...document.querySelectorAll(".facts div")].find((d) => d.querySelector("dt").textContent === name)?.querySelector("dd").textContent;
  const computed = () => Number(fact("Microbatches computed").replaceAll(",", ""));
`;

/** A version that no other test has taken. */
function newVersion(): string {
  return `1.${Date.now()}.0`;
}

test("there is a server where CI runs", () => {
  if (process.env.CI !== undefined) expect(site).toBeDefined();
});

describe.runIf(site).each(browsers("chromium,firefox"))("$name", onceMore, ({ launch }) => {
  const visitor = new Visitor(launch);

  const act = <T = unknown>(tab: Tab, statements: string): Promise<T> => visitor.act(tab, inPage + statements);

  test("two tabs repeat a published training together: its digest", async () => {
    const { closure } = await get<ClosureDetail>("/api/v1/closure?ref=glyphs-cnn:1.0.0");
    const owner = await visitor.open("/c/glyphs-cnn:1.0.0");
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
    const first = await visitor.open(`/join/${id}`);
    const second = await visitor.open(`/join/${id}`);
    for (const tab of [first, second]) {
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
    // Step 0 is computed before the pause begins. The first rests, and works on; then it rests until the second has begun, so
    // that both compute something, however fast either is.
    const rest = `await click("Pause"); await said("Paused by you.");`;
    await act(
      first,
      `await until(() => computed() > 0); ${rest} await click("Go on"); await said("The session is paused"); ${rest}`,
    );
    await visitor.until(id, ({ people }) => people.some((p) => p.state === "resting"));
    await act(owner, `await click("Resume")`);
    const over = `document.querySelector("[data-phase=ended]")`;
    await act(second, `await until(() => computed() > 0 || ${over})`);
    await act(
      first,
      `if (!${over}) [...document.querySelectorAll("button")].find((b) => b.textContent === "Go on")?.click()`,
    );
    const tabs = [first, second];
    const shown = await Promise.all(
      tabs.map((tab) =>
        act<{ run: string; computed: number }>(
          tab,
          `
          await phase("ended");
          return {
            run: (await one(".contribution-phase ~ .stack code")).textContent,
            computed: computed(),
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
  });

  test("a specification that is wrong is refused with its place; a right one trains, is tried and changed while it does, is stopped and published", async () => {
    const tab = await visitor.open("/sessions/new");
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
        steps: 1_000_000,
        seed: 3,
      },
      datasets: { train: { ref: "glyphs:1.0.0", split: "train" }, test: { ref: "glyphs:1.0.0", split: "test" } },
    };
    const wrong = { ...specification, model: { ...specification.model, layers: [{ dense: { units: 0 } }] } };
    const fill = (text: string) => `
      set(await one("textarea"), ${JSON.stringify(text)});
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
    const joined = await visitor.open(`/join/${id}`);
    await act(
      joined,
      `
      await click("Join");
      await until(() => computed() > 0);
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
    expect(stopped.step).toBeLessThan(1_000_000);
  });
});
