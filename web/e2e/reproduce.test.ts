// What a visitor does on a closure's page, in real browsers against a real server: REPRISE_E2E_SITE is the address of
// `reprise serve` over a store that e2e/prepare has filled. Everything is done by clicks and keys.

import { describe, expect, test } from "vitest";
import type { ClosureDetail } from "../src/site/api/types.ts";
import { browsers, type Tab } from "./browser.ts";
import { get, onceMore, site, Visitor } from "./visit.ts";

function detail(name: string): Promise<ClosureDetail> {
  return get(`/api/v1/closure?ref=${name}`);
}

const inPage = `
  const verdict = async () => {
    const panel = await one("[data-verdict]");
    return { kind: panel.dataset.verdict, text: panel.textContent };
  };
`;

test("there is a server where CI runs", () => {
  if (process.env.CI !== undefined) expect(site).toBeDefined();
});

describe.runIf(site).each(browsers("chromium,firefox"))("$name", onceMore, ({ launch }) => {
  const visitor = new Visitor(launch);
  let tab: Tab;

  const act = <T>(statements: string): Promise<T> => visitor.act(tab, inPage + statements);

  async function open(name: string): Promise<void> {
    tab = await visitor.open(`/c/${name}`);
  }

  interface Verdict {
    readonly kind: string;
    readonly text: string;
  }

  function reproduce(mode: "verify" | "replay", workers: number): Promise<Verdict> {
    return act(`
      (await one('input[value="${mode}"]')).click();
      set(await one(".workers input"), "${workers}");
      await click("${mode === "verify" ? "Verify now" : "Replay now"}");
      await until(() => !document.querySelector("[data-verdict]")); // of the time before
      return verdict();
    `);
  }

  test("browse, open, verify: identical", async () => {
    tab = await visitor.open("/");
    // A click would end the page, and with it the script that waits for an answer.
    tab = await visitor.open(await act(`return (await one('a[href*="/c/glyphs-cnn"]')).getAttribute("href");`));
    expect((await reproduce("verify", 1)).kind).toBe("reproduced");
    const { closure } = await detail("glyphs-cnn");
    const claim = closure.results.find((r) => r.metric === "accuracy");
    const shown = await act<{ total: number; correct: number; text: string; pictures: number }>(`
      const number = (cell) => Number(cell.textContent) || 0;
      return {
        total: [...document.querySelectorAll(".matrix .cell")].reduce((sum, cell) => sum + number(cell), 0),
        correct: [...document.querySelectorAll(".matrix tbody tr")].reduce((sum, row, i) => sum + number(row.cells[i + 1]), 0),
        text: document.querySelector(".reproduce").textContent,
        pictures: document.querySelectorAll(".mistakes canvas").length,
      };
    `);
    expect(shown).toMatchObject({ total: claim?.total, correct: claim?.correct });
    expect(shown.text).toContain(`${claim?.correct}/${claim?.total}`);
    expect(shown.pictures).toBe(Math.min(24, (claim?.total ?? 0) - (claim?.correct ?? 0)));
  });

  test.each([
    ["glyphs-cnn", "derived"],
    ["cheat", "differs"],
  ])("the compiler in the tab, of %s: %s", async (name, kind) => {
    await open(name);
    const { closure } = await detail(name);
    const found = await act<Verdict>(`
      await click("Derive it in this tab");
      const panel = await one("[data-derived]");
      return { kind: panel.dataset.derived, text: panel.textContent };
    `);
    expect(found.kind).toBe(kind);
    expect(found.text).toMatch(/sha256:[0-9a-f]{64}/);
    expect(found.text.includes(closure.engine.digest)).toBe(kind === "derived");
  });

  test.each([1, 3])("replay with %i workers: the published digest", async (workers) => {
    await open("glyphs-cnn");
    const { closure } = await detail("glyphs-cnn");
    const { kind, text } = await reproduce("replay", workers);
    expect(kind).toBe("identical");
    expect(text).toContain(closure.run.digest);
  });

  test("a replay is paused, resumed, stopped, and started again", async () => {
    await open("glyphs-cnn");
    const words = await act<string[]>(`
      const words = [];
      const listen = async (part) => words.push((await until(() => [...document.querySelectorAll(".advance [role=status]")].find((s) => s.textContent.includes(part)))).textContent);
      (await one('input[value="replay"]')).click();
      await click("Replay now");
      await click("Pause");
      await listen("paused");
      await click("Resume");
      await click("Stop");
      await listen("Stopped by you");
      return words;
    `);
    expect(words).toHaveLength(2);
    expect((await reproduce("replay", 2)).kind).toBe("identical");
  });

  test("a table's closure: identical, too", async () => {
    await open("table-mlp");
    expect((await reproduce("verify", 2)).kind).toBe("reproduced");
    expect((await reproduce("replay", 2)).kind).toBe("identical");
  });

  test("an engine that is declared foreign reproduces, and is said to be foreign", async () => {
    await open("kmeans");
    const { kind, text } = await reproduce("verify", 1);
    expect(kind).toBe("reproduced");
    expect(text).toContain("an engine of its own");
  });

  test("topics of documents, by an engine of another language: identical", async () => {
    await open("lda");
    expect((await reproduce("verify", 1)).kind).toBe("reproduced");
    expect((await reproduce("replay", 2)).kind).toBe("identical");
  });

  test("a changed claim: both numbers", async () => {
    await open("changed-claim");
    const { closure } = await detail("changed-claim");
    const claim = closure.results.find((r) => r.metric === "accuracy");
    const { kind, text } = await reproduce("verify", 1);
    expect(kind).toBe("differs");
    expect(text).toContain("1 of 2 claims differs");
    const shown = await act<string>(`return document.querySelector(".reproduce").textContent;`);
    expect(shown).toContain(`${claim?.correct}/${claim?.total}${(claim?.correct ?? 0) - 1}/${claim?.total}`);
  });

  test("a cheating engine is exposed", async () => {
    await open("cheat");
    const { kind, text } = await reproduce("verify", 1);
    expect(kind).toBe("differs");
    expect(text).toContain("engine is not declared foreign");
    expect(text).toContain("claims differ");
  });

  test("a damaged shard is named", async () => {
    await open("damaged");
    const { kind, text } = await reproduce("verify", 2);
    expect(kind).toBe("damaged");
    expect(text).toMatch(/test\/\S+: its bytes are sha256:/);
  });

  test("the result is left as an unsigned record", async () => {
    const unsigned = async () => (await detail("kmeans")).verifications.filter((v) => v.kind === "unsigned").length;
    const before = await unsigned();
    await open("kmeans");
    expect((await reproduce("replay", 1)).kind).toBe("identical");
    const said = await act<string>(`
      await click("Send to the zoo, unsigned");
      return (await until(() => [...document.querySelectorAll("[role=status]")].find((s) => s.textContent.includes("unsigned record")))).textContent;
    `);
    expect(said).toContain("Received as an unsigned record");
    expect(await unsigned()).toBe(before + 1);
  });

  test("a letter drawn with the keyboard is recognised", async () => {
    await open("glyphs-cnn");
    const guess = await act<string>(`
      await click("Load the model");
      const pad = await one(".pad-box");
      const press = async (key, times = 1) => {
        for (let i = 0; i < times; i++) {
          pad.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
          await new Promise((go) => setTimeout(go));
        }
      };
      const [left, right, up, down, pen] = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", " "];
      await press(left, 6); await press(up, 7);
      await press(pen);
      await press(down, 14); await press(up, 7); await press(right, 12); await press(up, 7); await press(down, 14);
      await press(pen);
      return until(() => document.querySelector('[data-guess="H"]')?.dataset.guess);
    `);
    expect(guess).toBe("H");
  });

  test("a record of a table is predicted, and again when a slider moves", async () => {
    await open("table-mlp");
    const [first, second] = await act<string[]>(`
      await click("Load the model");
      const shown = () => document.querySelector("#try .guesses ol")?.textContent;
      const first = await until(shown);
      const slider = await one("#try .feature input[type=range]");
      set(slider, slider.max);
      return [first, await until(() => shown() !== first && shown())];
    `);
    expect(second).not.toBe(first);
  });

  test("a photograph stands upright, as its EXIF orientation says", async () => {
    await open("glyphs-cnn");
    const levels = await act<number[]>(`
      await click("Load the model");
      const input = await one("#try input[type=file]");
      const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
      const context = canvas.getContext("2d");
      context.fillRect(0, 0, 32, 64); // the left is black
      context.fillStyle = "white";
      context.fillRect(32, 0, 32, 64);
      const jpeg = await new Promise((done) => canvas.toBlob(done, "image/jpeg"));
      const orientation = 6; // to be turned clockwise: the left is to be above
      const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
      const exif = [0xff, 0xe1, 0, tiff.length + 8, ...new TextEncoder().encode("Exif"), 0, 0, ...tiff];
      const files = new DataTransfer();
      const head = 20; // the start and the JFIF segment, which comes first
      const parts = [jpeg.slice(0, head), new Uint8Array(exif), jpeg.slice(head)];
      files.items.add(new File(parts, "photograph.jpg", { type: "image/jpeg" }));
      input.files = files.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
      await one("[data-guess]");
      const seen = document.querySelector(".try-seen canvas").getContext("2d");
      return [[2, 2], [25, 2], [2, 25], [25, 25]].map(([x, y]) => seen.getImageData(x, y, 1, 1).data[0]);
    `);
    expect(levels.map((level) => level > 127)).toEqual([false, false, true, true]);
  });

  test("a file that is no picture is refused with a reason", async () => {
    await open("glyphs-cnn");
    const problem = await act<string>(`
      await click("Load the model");
      const input = await one("#try input[type=file]");
      const files = new DataTransfer();
      files.items.add(new File(["no picture"], "picture.png", { type: "image/png" }));
      input.files = files.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
      return until(() => document.querySelector(".try-problem")?.textContent);
    `);
    expect(problem).toContain("no picture that the browser can read");
  });
});
