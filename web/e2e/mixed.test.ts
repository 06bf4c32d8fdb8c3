// Sessions over native participants and tabs of both browsers, who come and go, over lines that are slow and cut, in timed
// steps, and with another engine on the way. The digest is that of one machine alone, or a replay repeats it.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import type { Digest } from "../src/gen/schema.ts";
import type { ClosureDetail } from "../src/site/api/types.ts";
import type { ParticipantStatus } from "../src/site/session/types.ts";
import type { Tab } from "./browser.ts";
import { launchChromium } from "./chromium.ts";
import { type FarLine, farLine } from "./farlink.ts";
import { launchFirefox } from "./firefox.ts";
import { command, folder, OwnSession } from "./native.ts";
import { get, onceMore, site, Visitor } from "./visit.ts";

/** A version that no other test has taken. */
const newVersion = () => `1.${Date.now()}.0`;

const firefoxs = (p: ParticipantStatus) => p.family === "spidermonkey";
const chromiums = (p: ParticipantStatus) => p.family === "v8";
const named = (name: string) => (p: ParticipantStatus) => p.name === name;

describe.runIf(site)("native participants and tabs", onceMore, () => {
  const chromium = new Visitor(launchChromium);
  const firefox = new Visitor(launchFirefox);
  let session: OwnSession | undefined;
  let line: FarLine | undefined;
  afterEach(async () => {
    session?.end();
    await line?.close();
    session = undefined;
    line = undefined;
  });

  /** The text of a specification on the dataset of ten classes. */
  const specification = () =>
    readFile(fileURLToPath(new URL("../../fixtures/specs/mnist-cnn.yaml", import.meta.url)), "utf8");

  async function written(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  }

  const phase = `const phase = (name) => until(() => document.querySelector("[data-phase]")?.dataset.phase === name);`;
  const taking = `${phase} set(await one(".workers input"), "1"); await click("Join"); await phase("following");`;

  async function tab(visitor: Visitor, id: string, at?: string): Promise<Tab> {
    const page = await visitor.open(`/join/${id}`, at);
    await visitor.act(page, taking);
    return page;
  }

  /** What a browser says of a closure that it has trained again. */
  async function replayed(visitor: Visitor, closure: string | undefined): Promise<{ kind: string; text: string }> {
    const page = await visitor.open(`/c/${closure}`);
    return visitor.act(
      page,
      `
        (await one('input[value="replay"]')).click();
        (await until(() => [...document.querySelectorAll("button:not(:disabled)")].find((b) => b.textContent.includes("Replay now")))).click();
        const panel = await one("[data-verdict]");
        return { kind: panel.dataset.verdict, text: panel.textContent };
      `,
    );
  }

  /** Steps that are worth the way to the server, and enough of them for all that is to happen. */
  const training = async () =>
    written(
      "mixed.yaml",
      (await specification()).replace("batchSize: 128", "batchSize: 1024").replace("epochs: 3", "steps: 48"),
    );

  const together = async (name: string) =>
    OwnSession.start(await training(), "--name", name, "--version", newVersion());

  let run: Digest | undefined;

  /** The run digest of one machine, alone. */
  async function alone(): Promise<Digest> {
    const out = join(folder, "alone");
    run ??= (await command<{ run: Digest }>("train", await training(), "--workers", "1", "-o", out)).run;
    return run;
  }

  test("two native ones, two tabs of Chromium and one of Firefox come and go: the digest of one machine alone", async () => {
    session = await together("glyphs-mixed");
    const { id } = session;
    const one = session.join("one");
    session.join("two");
    const first = await tab(chromium, id);
    await tab(chromium, id);
    const fox = await tab(firefox, id);
    await session.ready(5);
    await session.say("resume");
    await session.everybodyWorks();

    // One is killed while a part of the step is its own.
    one.signal("SIGSTOP");
    await session.until("a part of the step is held by one that is stopped", ({ people }) =>
      people.some((p) => p.name === "one" && p.state === "working"),
    );
    one.signal("SIGKILL");
    await session.gone(named("one"), 1);
    // A tab is closed, and the visitor of another one leaves.
    await chromium.close(first);
    await session.gone(chromiums, 1);
    await firefox.act(fox, `await click("Leave"); await button("Join again");`);
    await session.gone(firefoxs, 1);

    // Others come in their place; the visitor comes back.
    await session.say("pause");
    session.join("three");
    await tab(chromium, id);
    await firefox.act(fox, `${phase} await click("Join again"); await phase("following");`);
    await session.ready(5);
    await session.say("resume");
    const now = await session.everybodyWorks();
    expect(now.joins).toBeGreaterThanOrEqual(8);
    expect(now.leaves).toBeGreaterThanOrEqual(3);
    expect(now.audits.releases).toBeGreaterThan(0);
    console.log(`all had come and gone by step ${now.step} of ${now.steps}`);

    const over = await session.over();
    expect(over.run).toBe(await alone());
    for (const p of over.people) expect(p.verified, `${p.name ?? p.runtime}`).toBeGreaterThan(0);
    expect(over.people.filter(chromiums)).toHaveLength(3);
    expect(over.people.filter(firefoxs).length).toBeGreaterThanOrEqual(1);
    expect(over.people.filter((p) => p.family === "wazero")).toHaveLength(3);
  });

  test("an engine of another language: three native ones and a tab give the digest of one machine alone, and the tab replays it", async () => {
    const further = ["kmeans:1.0.0", "--steps", "100"];
    const out = join(folder, "clusters");
    const once = await command<{ run: Digest }>("resume", ...further, "--workers", "1", "-o", out);
    session = await OwnSession.start(...further);
    for (const name of ["one", "two", "three"]) session.join(name);
    await tab(chromium, session.id);
    await session.ready(4);
    await session.say("resume");
    await session.everybodyWorks();
    const over = await session.over();
    expect(over.run).toBe(once.run);
    expect(over.people).toHaveLength(4);
    expect(over.people.filter(chromiums)).toHaveLength(1);
    const { kind, text } = await replayed(chromium, over.closure);
    expect(kind).toBe("identical");
    expect(text).toContain(once.run);
  });

  test("20 Mbit/s, 40 ms there and back, and ten seconds without a line: nobody waits, and the digest is the same", async () => {
    session = await together("glyphs-far");
    line = await farLine(site as string, { rate: 20e6, delay: 20 });
    session.join("far", line.address);
    await tab(chromium, session.id, line.address);
    await session.ready(2);
    await session.say("resume");
    await session.everybodyWorks();

    // The line is cut in the middle of a step, and somebody else comes, who need not wait for it.
    line.cut();
    const cut = Date.now();
    const passed = line.passed;
    const before = await session.until("a part of the step is held behind the line", ({ people }) =>
      people.some((p) => p.state === "working"),
    );
    const near = session.join("near");
    await session.until("the step is done by another", ({ step, audits }) => {
      return step >= before.step + 3 && audits.releases > before.audits.releases;
    });
    await session.say("pause"); // so that there is something left to do
    await new Promise((go) => setTimeout(go, cut + 10_000 - Date.now()));
    expect(line.passed).toBe(passed);

    // Those behind the line do the rest.
    line.mend();
    await session.ready(3);
    const during = await session.detail();
    near.signal("SIGTERM");
    await session.gone(named("near"), 1);
    await session.say("resume");
    const over = await session.over();
    expect(over.run).toBe(await alone());
    expect(over.people).toHaveLength(3);
    for (const p of over.people) {
      const then = during.people.find((each) => each.id === p.id)?.computed ?? 0;
      if (p.name === "near") expect(p.verified).toBeGreaterThan(0);
      else expect(p.computed, p.name ?? p.runtime).toBeGreaterThan(then);
    }
  });

  test("timed steps take what arrives, and a replay repeats them", async () => {
    const version = newVersion();
    const text = (await specification()).replace(/^name: .*$/m, "name: glyphs-timed").replace("epochs: 3", "steps: 12");
    session = await OwnSession.start(
      await written("timed.yaml", text),
      ...["--mode", "timed", "--seconds", "0.5", "--version", version],
    );
    session.join("native");
    await tab(chromium, session.id);
    await session.ready(2);
    await session.say("resume");
    const over = await session.over();
    for (const p of over.people) expect(p.verified).toBeGreaterThan(0);
    const replay = await command<{ verdict: string; run: string }>("replay", `glyphs-timed:${version}`);
    expect(replay).toMatchObject({ verdict: "identical", run: over.run });
  });

  test("the owner adds a class and more data on the page, and both browsers replay it", async () => {
    const ten = (await specification()).replace(/^name: .*$/m, "name: glyphs-grown");
    const nine = ten.replaceAll("glyphs:1.0.0", "nine-glyphs:1.0.0").replace("units: 10", "units: 9");
    session = await OwnSession.start(await written("nine.yaml", nine), "--version", newVersion());
    const owner = await chromium.open(`/s/${session.id}`);
    await chromium.act(
      owner,
      `
      (await until(() => [...document.querySelectorAll("summary")].find((s) => s.textContent.includes("elsewhere")))).click();
      set(await field("Owner's word"), ${JSON.stringify(session.owner)});
      await click("Use it");
      (await until(() => [...document.querySelectorAll("summary")].find((s) => s.textContent.includes("Another class")))).click();
      set(await field("Next specification"), ${JSON.stringify(ten)});
      set(await field("From step"), "13");
      await click("Change the engine");
      await said("Another engine goes on at step 13.");
    `,
    );
    session.join("native");
    await tab(chromium, session.id);
    await session.ready(2);
    await session.say("resume");
    const over = await session.over();
    const { closure } = await get<ClosureDetail>(`/api/v1/closure?ref=${over.closure}`);
    expect(closure.earlier).toHaveLength(1);
    expect(closure.run.digest).toBe(over.run);
    for (const visitor of [chromium, firefox]) {
      const verdict = await replayed(visitor, over.closure);
      expect(verdict.kind).toBe("identical");
      expect(verdict.text).toContain(over.run);
    }
  });
});
