// @vitest-environment jsdom
// Pages as a visitor meets them, over the fixtures' zoo.

import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { answer, digestLike, hostile, hostileText, problem } from "../../fixtures/site.ts";
import { App } from "./App.tsx";
import { Api } from "./api/client.ts";
import { Location } from "./state/location.ts";
import { ThemeChoice } from "./state/theme.ts";

// A drawing surface is what jsdom has not.
vi.mock("uplot", () => ({
  default: class {
    destroy() {}
    setSize() {}
  },
}));

let root: Root;
let requests: string[];

beforeAll(() => {
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      disconnect() {}
    },
  );
  window.scrollTo = () => {};
});

beforeEach(() => {
  document.body.innerHTML = '<div id="root"></div>';
  localStorage.clear();
  delete document.documentElement.dataset.theme;
  requests = [];
});

afterEach(() => root.unmount());

type Respond = (url: URL) => { status: number; body: unknown } | undefined;

function visit(path: string, respond: Respond = (url) => answer(url)): void {
  history.replaceState(null, "", path);
  const api = new Api("", async (address) => {
    requests.push(String(address));
    const { status, body } = respond(new URL(String(address), "http://localhost")) ?? {
      status: 404,
      body: problem(404, `${address}: not found`),
    };
    return Response.json(body, { status });
  });
  const place = document.getElementById("root");
  if (place === null) throw new Error("no #root");
  root = createRoot(place);
  root.render(<App site={{ api, location: new Location(window), theme: new ThemeChoice(window) }} />);
}

/** Waits for an element that a visitor would find by its words. */
function find(selector: string, words: string | RegExp = ""): Promise<HTMLElement> {
  return vi.waitFor(
    () => {
      const all = [...document.querySelectorAll<HTMLElement>(selector)];
      const found = all.find((e) => (words instanceof RegExp ? words.test(text(e)) : text(e).includes(words)));
      if (found === undefined) throw new Error(`no ${selector} with ${words} in ${document.body.textContent}`);
      return found;
    },
    { timeout: 30_000 },
  );
}

function text(element: Element): string {
  return element.textContent ?? "";
}

describe("a closure’s page", () => {
  test("shows claims, model, files, lineage and how to cite", async () => {
    visit("/c/glyphs-cnn:1.0.0");
    await find("h1", "A small convolutional network");
    expect(document.title).toBe("A small convolutional network on drawn letters – Reprise");
    expect(text(await find("#claims tbody tr", "accuracy"))).toContain("990 of 1,000");
    expect(text(await find("#claims tbody tr", "loss"))).toContain("0.081003");
    expect(text(await find("#model tfoot"))).toContain("31,786");
    expect(text(await find("#files tbody"))).toContain("params/model.safetensors");
    expect(text(await find("#lineage"))).toContain("glyphs-cnn-more:1.0.0");
    expect(text(await find("#cite pre"))).toContain("@misc{glyphs-cnn");
    expect(text(await find("#card .markdown"))).toContain("deliberately small");
    await find("#reproduce h2", "Reproduce");
    await find("#training [role=img]");
    const permanent = await find("a", "Permanent link");
    expect(permanent.getAttribute("href")).toBe(`/c/glyphs-cnn@${digestLike("glyphs-cnn")}`);
  });

  test("says where imported parameters come from, and gives the original", async () => {
    const original = digestLike("original");
    visit("/c/glyphs-cnn:1.0.0", (url) => {
      const known = answer(url);
      if (url.pathname !== "/api/v1/closure" || !known) return known;
      const body = known.body as { parents: unknown; closure: { files: object[] } };
      const file = "origin/model.onnx";
      const imported = { format: "onnx", file, tool: "pytorch <1.13>", parameters: digestLike("parameters") };
      const files = [
        ...body.closure.files,
        { path: file, role: "origin", mediaType: "application/octet-stream", sha256: original, size: 9 },
      ];
      return { ...known, body: { ...body, parents: [], closure: { ...body.closure, imported, files } } };
    });
    const said = await find(".closure-imported");
    expect(text(said)).toContain("origin/model.onnx (format onnx, written by pytorch <1.13>)");
    expect(text(said)).toContain("How they were trained before is not part of this closure.");
    expect(said.querySelector("a")?.getAttribute("href")).toContain(original.slice("sha256:".length));
    expect(said.querySelector("a")?.getAttribute("download")).toBe("model.onnx");
    expect(text(await find("#lineage"))).not.toContain("from its seed");
  });

  test("says what was withdrawn, of itself and of its versions", async () => {
    const withdrawn = { reason: "Wrong <labels>.", created: "2026-11-22T08:00:00Z" };
    visit("/c/glyphs-cnn:1.0.0", (url) => {
      const known = answer(url);
      return url.pathname === "/api/v1/closure" && known
        ? { ...known, body: { ...(known.body as object), withdrawn } }
        : known;
    });
    expect(text(await find("section.withdrawn"))).toContain("Withdrawn on 22 Nov 2026: Wrong <labels>.");
    await find(".badge", "Withdrawn");
    expect(text(await find("#lineage tbody", "labels of two classes"))).toContain("0.9.0");
  });

  test("asks for a derivation that nobody has checked", async () => {
    visit("/c/waste-sorting:1.0.0");
    await find(".closure-derivation", "byte for byte");
    expect(requests).toContain(
      `/api/v1/closure/derivation?ref=${encodeURIComponent(`waste-sorting@${digestLike("waste-sorting")}`)}`,
    );
  });

  test("a table’s rows stand where pictures cannot", async () => {
    visit("/c/cultivars:1.0.0");
    await find("#data th", "malic acid");
  });

  test("one that is not there", async () => {
    visit("/c/nobody:1.0.0");
    await find("h1", "There is no such closure");
  });

  test("one of strange parts still shows the rest", async () => {
    visit("/c/glyphs-cnn", (url) => {
      const known = answer(url);
      return url.pathname === "/api/v1/closure/curve" ? { status: 500, body: problem(500, "no journal") } : known;
    });
    expect(text(await find("#training [role=alert]"))).toContain("no journal");
    await find("#files tbody");
  });
});

describe("hostile text", () => {
  test("stays text", async () => {
    visit("/c/hostile", (url) => answer(url, [hostile]));
    const shown = await find("bdi", "<script>");
    expect(text(shown).length).toBeLessThan(hostileText.length);
    await find(".markdown a", "fine");
    expect(document.querySelectorAll("#root script, #root style, #root iframe, #root img[src=x]")).toHaveLength(0);
    expect(document.querySelectorAll("#root [onerror]")).toHaveLength(0);
    for (const link of document.querySelectorAll("a")) expect(link.protocol).toMatch(/^(https?|mailto):$/);
    expect("harmed" in window).toBe(false);
  });
});

describe("datasets", () => {
  test("a dataset, with who uses it", async () => {
    visit("/d/glyphs:1.0.0");
    await find("h1", "Drawn letters");
    expect((await find("img.sheet")).getAttribute("alt")).toContain("train");
    await find("a", "Nearest centroid");
  });

  test("one that is not there", async () => {
    visit("/d/nothing");
    await find("h1", "There is no such dataset");
  });
});

test("an address that leads nowhere", async () => {
  visit("/no/such/page");
  await find("h1", "There is no such page");
});

test("the visitor’s theme is kept", async () => {
  visit("/about");
  const button = await find("button.top-theme");
  button.click();
  expect(document.documentElement.dataset.theme).toBe("light");
  button.click();
  expect(document.documentElement.dataset.theme).toBe("dark");
  expect(localStorage.getItem("reprise.theme")).toBe("dark");
  button.click();
  expect(document.documentElement.dataset.theme).toBeUndefined();
});
