// Closures in real browsers: the same digests as where they were trained, and damage found by name. The perceptron's
// closure is made here; the environment can add archived ones.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { assemble, perceptronSection, perceptronText } from "../fixtures/engine.ts";
import { MemoryStore, putClosure, putUntrained } from "../fixtures/store.ts";
import { HttpBlobs } from "../src/core/blobs.ts";
import { hexOf } from "../src/core/digest.ts";
import type { Digest } from "../src/gen/schema.ts";
import { archived, type Subject } from "./archived.ts";
import { type Browser, browsers } from "./browser.ts";
import { type Recorded, readRecorded } from "./recorded.ts";
import { type BlobSource, damagedSource, serve, type TestServer } from "./server.ts";
import { TestPage } from "./testpage.ts";

const fixtureStore = new MemoryStore();
const fixture: Subject = {
  name: "the perceptron",
  source: memorySource(fixtureStore),
  closure: await putClosure(fixtureStore),
};

function memorySource(store: MemoryStore): BlobSource {
  return async (hex) => store.blobs.get(`sha256:${hex}` as Digest);
}

describe.each(browsers("chromium,firefox"))("$name", ({ launch }) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  async function withPage<T>(source: BlobSource, use: (page: TestPage) => Promise<T>): Promise<T> {
    const server = await serve(source);
    try {
      const page = await TestPage.open(browser, server.address);
      try {
        return await use(page);
      } finally {
        await page.close();
      }
    } finally {
      await server.close();
    }
  }

  describe.each([fixture, ...archived()])("$name", ({ source, closure }) => {
    let server: TestServer;
    let recorded: Recorded;
    beforeAll(async () => {
      server = await serve(source);
      recorded = await readRecorded(new HttpBlobs(`${server.address}blobs/`), closure);
    });
    afterAll(() => server?.close());

    test.each([1, 3])("%i workers reproduce the journal and the run digest", async (workers) => {
      const answer = await withPage(source, (page) => page.call("train", { closure, workers }));
      expect(answer.lines).toEqual(recorded.journal);
      expect(answer.journal).toBe(recorded.journalDigest);
      expect(answer.lines.at(-1)).toMatchObject({ type: "checkpoint", run: recorded.closure.run });
    });

    test("evaluating the stored parameters gives the claims", async () => {
      const answer = await withPage(source, (page) => page.call("evaluate", { closure, workers: 2 }));
      expect(answer.digests).toEqual({ parameters: recorded.closure.parameters, run: recorded.closure.run });
      for (const { metric, correct, sum, total } of recorded.closure.results) {
        if (metric === "accuracy") expect(answer.blind).toEqual({ correct, total });
        else expect(answer.metrics).toMatchObject({ loss: sum, count: total });
      }
    });

    test("a damaged shard is named", async () => {
      const shard = recorded.plan.records.test?.shards.at(-1);
      if (shard === undefined) throw new Error("the closure has no test records");
      const damaged = damagedSource(source, hexOf(shard.sha256));
      const answer = withPage(damaged, (page) => page.call("evaluate", { closure, workers: 2 }));
      await expect(answer).rejects.toMatchObject({
        kind: "damaged",
        message: expect.stringContaining(`${shard.path}: its bytes are sha256:`),
      });
    });

    test("a damaged engine is named", async () => {
      const damaged = damagedSource(source, hexOf(recorded.closure.engine));
      const answer = withPage(damaged, (page) => page.call("train", { closure, workers: 1 }));
      await expect(answer).rejects.toMatchObject({
        kind: "damaged",
        message: expect.stringMatching(/^code\/engine.wasm: /),
      });
    });
  });

  test("this browser has all that is needed, and the page is isolated", async () => {
    await withPage(fixture.source, async (page) => {
      expect(await page.call("missing", null)).toEqual([]);
      expect(await page.evaluate("String(crossOriginIsolated)")).toBe("true");
    });
  });

  test("the policy of the page keeps scripts out that are not the server's", async () => {
    await withPage(fixture.source, async (page) => {
      const injection = `new Promise((done) => {
        document.addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective), { once: true });
        const script = document.createElement("script");
        script.textContent = "window.injected = true";
        document.head.append(script);
      })`;
      expect(await page.evaluate(injection)).toBe("script-src-elem");
    });
  });

  test("a run stops after a whole step when nobody wants more of it", async () => {
    const answer = await withPage(fixture.source, (page) =>
      page.call("train", { closure: fixture.closure, workers: 2, stopAfter: 3 }),
    );
    expect(answer.lines.map((line) => line.type)).toEqual(["header", "step", "step", "step"]);
  });

  test("an engine that never ends is stopped at the deadline while the page goes on", async () => {
    const forever = '(func (export "accumulate") (param i64 i64 i32) (result i32) (loop $l (br $l)) (unreachable))';
    const text = await perceptronText();
    const endless = text.replace('(func (export "accumulate")', `${forever} (func $unused`);
    const store = new MemoryStore();
    const closure = await putUntrained(store, await assemble(endless, perceptronSection));
    await withPage(memorySource(store), async (page) => {
      const run = page.call("train", { closure, workers: 2, deadline: 500 });
      const meanwhile = page.call("missing", null);
      await expect(run).rejects.toMatchObject({ kind: "engine", message: expect.stringContaining("no answer within") });
      expect(await meanwhile).toEqual([]);
    });
  });

  test("an engine is measured", async () => {
    const report = await withPage(fixture.source, (page) =>
      page.call("bench", { source: { closure: fixture.closure }, seconds: 0.2 }),
    );
    expect(report.steps).toBeGreaterThan(0);
    expect(report.examples).toBe(report.steps * 16);
    expect(report.peak).toBeGreaterThan(0);
    expect(Object.keys(report.phases)).toEqual(["select", "copy", "accumulate", "apply"]);
  });
});
