// @vitest-environment jsdom
// Pages of sessions as a visitor meets them, over the fixtures' sessions and a participant that a test plays.

import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { answerSession, detailOfSession, sessions } from "../../../fixtures/sessions.ts";
import { answer, digestLike, problem } from "../../../fixtures/site.ts";
import { type Command, initialState, type Message, type ParticipantState } from "../../worker/participant/protocol.ts";
import { App } from "../App.tsx";
import { Api } from "../api/client.ts";
import { Location } from "../state/location.ts";
import { ThemeChoice } from "../state/theme.ts";
import type { SessionDetail } from "./types.ts";

const drawn: unknown[][] = [];
vi.mock("uplot", () => ({
  default: class {
    constructor(_: unknown, data: unknown[]) {
      drawn.push(data);
    }
    destroy() {}
    setSize() {}
    setData(data: unknown[]) {
      drawn.push(data);
    }
  },
}));

/** The worker, played by the test. */
class FakeWorker extends EventTarget {
  static last: FakeWorker;
  readonly commands: Command[] = [];
  terminated = false;
  constructor(address: URL | string, options: WorkerOptions) {
    super();
    // A page also asks whether workers may be modules, by one of no address.
    if (options.type === "module" && address !== "blob://") FakeWorker.last = this;
  }
  postMessage(command: Command): void {
    this.commands.push(command);
  }
  terminate(): void {
    this.terminated = true;
  }
  tell(message: Message): void {
    this.dispatchEvent(new MessageEvent("message", { data: message }));
  }
  /** Says how the participant is; whatever is not named is as at first. */
  state(state: Partial<ParticipantState>): void {
    this.tell({ type: "state", state: { ...initialState("work", 2), ...state } });
  }
  last<T extends Command["type"]>(type: T): Extract<Command, { type: T }> | undefined {
    return this.commands.findLast((c): c is Extract<Command, { type: T }> => c.type === type);
  }
}

class FakeEvents extends EventTarget {
  static last: FakeEvents;
  static opened = 0;
  readyState = 1;
  readonly address: string;
  constructor(address: string) {
    super();
    this.address = address;
    FakeEvents.last = this;
    FakeEvents.opened++;
  }
  close(): void {
    this.readyState = 2;
  }
  tell(event: string, data?: unknown): void {
    this.dispatchEvent(data === undefined ? new Event(event) : new MessageEvent(event, { data: JSON.stringify(data) }));
  }
}

let root: Root;
let requests: {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly token: string | null;
}[];

beforeAll(() => {
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      disconnect() {}
    },
  );
  vi.stubGlobal("Worker", FakeWorker);
  vi.stubGlobal("EventSource", FakeEvents);
  vi.stubGlobal("WebAssembly", { ...WebAssembly, validate: () => true });
  window.scrollTo = () => {};
});

beforeEach(() => {
  document.body.innerHTML = '<div id="root"></div>';
  localStorage.clear();
  sessionStorage.clear();
  requests = [];
  FakeEvents.opened = 0;
});

afterEach(() => root.unmount());

type Respond = (url: URL, method: string) => { status: number; body: unknown } | undefined;

function visit(path: string, respond: Respond = () => undefined): void {
  history.replaceState(null, "", path);
  const api = new Api("", async (address, init) => {
    const url = new URL(String(address), "http://localhost");
    const method = init?.method ?? "GET";
    requests.push({
      method,
      path: url.pathname + url.search,
      token: new Headers(init?.headers).get("Authorization"),
      ...(init?.body && { body: JSON.parse(String(init.body)) }),
    });
    const { status, body } = respond(url, method) ??
      answerSession(url, method) ??
      answer(url) ?? { status: 404, body: problem(404, `${address}: not found`) };
    return Response.json(body, { status });
  });
  const place = document.getElementById("root");
  if (place === null) throw new Error("no #root");
  root = createRoot(place);
  root.render(<App site={{ api, location: new Location(window), theme: new ThemeChoice(window) }} />);
}

/** Waits for an element that a visitor would find by its words. */
function find<T extends HTMLElement = HTMLElement>(selector: string, words: string | RegExp = ""): Promise<T> {
  return vi.waitFor(
    () => {
      const all = [...document.querySelectorAll<T>(selector)];
      const found = all.find((e) => (words instanceof RegExp ? words.test(text(e)) : text(e).includes(words)));
      if (found === undefined) throw new Error(`no ${selector} with ${words} in ${document.body.textContent}`);
      return found;
    },
    { timeout: 15_000 },
  );
}

function text(element: Element): string {
  return element.textContent ?? "";
}

function card(title: string): Promise<HTMLElement> {
  return find("section.card", new RegExp(`^${title}`));
}

/** The control that a label names. */
async function control(label: string): Promise<HTMLInputElement> {
  const found = await find<HTMLLabelElement>("label", label);
  const named = found.htmlFor ? document.getElementById(found.htmlFor) : found.querySelector("input");
  return named as HTMLInputElement;
}

function type(input: HTMLElement, value: string): void {
  const prototype =
    input instanceof HTMLTextAreaElement
      ? HTMLTextAreaElement
      : input instanceof HTMLSelectElement
        ? HTMLSelectElement
        : HTMLInputElement;
  Object.getOwnPropertyDescriptor(prototype.prototype, "value")?.set?.call(input, value);
  input.dispatchEvent(new Event(input instanceof HTMLSelectElement ? "change" : "input", { bubbles: true }));
}

function present(selector: string, words: string): boolean {
  return [...document.querySelectorAll(selector)].some((e) => text(e).includes(words));
}

const running = detailOfSession(sessions[0] as (typeof sessions)[0]);

// The first test of a page also waits for its modules.
vi.setConfig({ testTimeout: 20_000 });

describe("the list of sessions", () => {
  test("says how each is, and leads to it", async () => {
    visit("/sessions");
    const first = await find("article", "A small convolutional network");
    expect(text(first)).toContain("Running");
    expect(text(first)).toContain("812 of 1,407");
    expect(text(first)).toContain("5 participants, 19 workers · 61.2k examples/s · 96.4 % right");
    expect(first.querySelector("a")?.getAttribute("href")).toBe("/s/s1");
    expect(first.querySelector("a.button")?.getAttribute("href")).toBe("/join/s1");
    expect(text(await find("article", "Finished"))).not.toContain("Join");
    expect(document.querySelectorAll("article")).toHaveLength(5);
    expect((await find("nav a", "Sessions")).getAttribute("aria-current")).toBe("page");
  });

  test("an empty one says how to begin", async () => {
    visit("/sessions", () => ({ status: 200, body: { sessions: [] } }));
    await find("p", "No session has been started here yet");
  });

  test("a server without sessions says so", async () => {
    visit("/sessions", () => ({ status: 200, body: { sessions: [], none: "its store is a registry" } }));
    await find("p", "This server has no sessions: its store is a registry.");
    expect(document.querySelector("a.cover-button")).toBeNull();
  });
});

describe("starting a session", () => {
  test("to go on with a closure", async () => {
    visit("/c/glyphs-cnn:1.0.0");
    (await find("a", "Train together")).click();
    await find("h1", "Start a session");
    expect(location.search).toBe("?closure=glyphs-cnn%3A1.0.0");
    expect((await control("Closure")).value).toBe("glyphs-cnn:1.0.0");
    type(await control("Further steps"), "250");
    (await find("button", "Start")).click();
    await find("h1", "A small convolutional network");
    expect(location.pathname).toBe("/s/s1");
    expect(localStorage.getItem("reprise.owner.s1")).toBe("secret");
    expect(requests.find((r) => r.method === "POST")).toEqual({
      method: "POST",
      path: "/api/v1/sessions",
      token: null,
      body: { closure: "glyphs-cnn:1.0.0", steps: 250, mode: "fixed", audit: 0.05 },
    });
  });

  test("to repeat one, in timed steps, with a token", async () => {
    visit("/sessions/new?closure=glyphs-cnn");
    (await control("Repeat a closure")).click();
    (await control("Timed steps")).click();
    type(await find("select"), "10");
    type(await control("Token"), "open sesame");
    type(await control("Name of the result"), "again");
    (await find("button", "Start")).click();
    await find("h1", "A small convolutional network");
    expect(requests.find((r) => r.method === "POST")).toMatchObject({
      token: "Bearer open sesame",
      body: { closure: "glyphs-cnn", mode: "timed", seconds: 10, audit: 0.05, name: "again" },
    });
  });

  test("a specification that is refused: where, and what to do", async () => {
    const refused = problem(
      422,
      "closure.yaml: model.layers[1].dense.units: 0 is not at least 1",
      "give a layer at least one unit",
    );
    visit("/sessions/new", (_, method) => (method === "POST" ? { status: 422, body: refused } : undefined));
    type(await control("Specification"), "model: {}");
    (await find("button", "Start")).click();
    const alert = await find("[role=alert]");
    expect(text(alert)).toContain("model.layers[1].dense.units: 0 is not at least 1");
    expect(text(alert)).toContain("give a layer at least one unit");
    expect((await control("Specification")).value).toBe("model: {}");
    expect(requests.at(-1)?.body).toEqual({ specification: "model: {}", mode: "fixed", audit: 0.05 });
  });

  test("without the right to: a token is asked for", async () => {
    visit("/sessions/new?closure=x", (_, method) =>
      method === "POST" ? { status: 401, body: problem(401, "no token") } : undefined,
    );
    (await find("button", "Start")).click();
    expect(text(await find("[role=alert]"))).toContain("A token of this server is needed");
  });
});

describe("a session's page", () => {
  test("shows who takes part, where time goes, what was audited", async () => {
    visit("/s/s1");
    await find("h1", "A small convolutional network");
    const ada = await find("#people tbody tr", "Ada");
    expect([...ada.children].map(text)).toEqual([
      "Ada Chromium 156 on Linux",
      "Working",
      "7",
      "212 mb/s",
      "41 ms",
      "44 %",
      "2,810 of 2,860",
      "95 %",
    ]);
    expect(text(await card("Time of a step"))).toMatch(/Compute31 ms.*Idle9.3 ms/);
    expect(text(await card("Audits"))).toContain("Chance that ten forgeries pass2.1 · 10⁻⁴");
    expect(text(await card("Audits"))).toContain("Participants came, went14, 9Server started again1");
    expect(text(await card("Log"))).toContain("back to step 780");
    expect(await find("a", "glyphs-cnn:1.0.0")).toBeDefined();
    const plot = await find("[role=img].plot");
    expect(plot.getAttribute("aria-label")).toMatch(
      /^Training loss from 2\.\d+ at step 4 to .* at step 812; test error 2\.\d+ % at step 812$/,
    );
    expect(present("section.card", "Pause for all")).toBe(false);
  });

  test("follows the events", async () => {
    visit("/s/s1");
    await find("[role=img].plot");
    expect(FakeEvents.last.address).toMatch(/\/api\/v1\/sessions\/s1\/live$/);
    FakeEvents.last.tell("open");
    FakeEvents.last.tell("status", { ...running, step: 900, people: [] });
    await find(".progress", "900 of 1,407");
    await find("p", "Nobody takes part yet");
    await find("[role=status]", "live");
    FakeEvents.last.tell("points", { points: [{ step: 900, loss: 0.05, test: 0.99 }] });
    const [, , errors] = await vi.waitFor(() => {
      const [steps = [], ...lines] = (drawn.at(-1) ?? []) as number[][];
      expect(steps.at(-1)).toBe(900);
      return [steps, ...lines];
    });
    expect(errors?.at(-1)).toBeCloseTo(0.01);
    FakeEvents.last.tell("status", { ...running, state: "published", closure: "glyphs-cnn:1.0.0-session.1" });
    await find("a", "glyphs-cnn:1.0.0-session.1");
    expect(FakeEvents.last.readyState).toBe(2);
  });

  test("opens a refused stream again", async () => {
    visit("/s/s1");
    await find("[role=img].plot");
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    FakeEvents.last.readyState = 2;
    FakeEvents.last.tell("error");
    vi.advanceTimersByTime(5000);
    vi.useRealTimers();
    expect(FakeEvents.opened).toBe(2);
  });

  test("one that failed says why", async () => {
    visit("/s/s5");
    expect(text(await find("[role=alert]"))).toContain("non-finite gradient in conv1.weight");
  });

  test("one whose server cannot save says what it waits for", async () => {
    visit("/s/s1", (url) =>
      url.pathname.endsWith("/s1")
        ? { status: 200, body: { ...running, trouble: "the disk of the server is full" } }
        : undefined,
    );
    await find("p", "The session waits: the disk of the server is full. It goes on by itself when that has passed.");
    await find(".badge", "Waiting");
  });

  test("one that is not there", async () => {
    visit("/s/nobody");
    await find("h1", "There is no such session");
  });

  test("an owner pauses, changes a rate, stops", async () => {
    localStorage.setItem("reprise.owner.s1", "mine");
    visit("/s/s1", (url, method) =>
      url.pathname.endsWith("/commands") && method === "POST"
        ? { status: 200, body: { ...running, state: "paused" } }
        : undefined,
    );
    (await find("button", "Pause for all")).click();
    await find("[role=status]", "Paused.");
    await find("button", "Resume");
    expect(requests.at(-1)).toMatchObject({
      path: "/api/v1/sessions/s1/commands",
      token: "Bearer mine",
      body: { command: "pause" },
    });
    type(await control("Value (now 0.02)"), "0.01");
    (await find("button", "Change it")).click();
    await find("[role=status]", "learning-rate is 0.01 from the next step on.");
    expect(requests.at(-1)?.body).toEqual({ command: "set", name: "learning-rate", value: 0.01 });
    type(await control("Next specification"), "name: next");
    (await find("button", "Change the engine")).click();
    await find("[role=status]", "Another engine goes on at the next step.");
    expect(requests.at(-1)?.body).toEqual({ command: "engine", specification: "name: next" });
    const file = new File(["name: from a file"], "next.yaml");
    const chooser = (await control("Its file")) as HTMLInputElement;
    Object.defineProperty(chooser, "files", { value: [file] });
    chooser.dispatchEvent(new Event("change", { bubbles: true }));
    const area = (await control("Next specification")) as unknown as HTMLTextAreaElement;
    await vi.waitFor(() => expect(area.value).toBe("name: from a file"));
    type(await control("From step"), "900");
    (await find("button", "Change the engine")).click();
    await find("[role=status]", "Another engine goes on at step 900.");
    expect(requests.at(-1)?.body).toEqual({ command: "engine", specification: "name: from a file", step: 900 });
    (await find("button", "Stop …")).click();
    (await find("button", "Stop it for good")).click();
    await find("[role=status]", "Stopped.");
    expect(requests.at(-1)?.body).toEqual({ command: "stop" });
  });

  test("a command that is refused says so in the server's words", async () => {
    localStorage.setItem("reprise.owner.s1", "mine");
    visit("/s/s1", (url) =>
      url.pathname.endsWith("/commands")
        ? { status: 409, body: problem(409, "the session is finishing", "wait for its audits") }
        : undefined,
    );
    (await find("button", "Pause for all")).click();
    const alert = await find("[role=alert]", "The session was not paused");
    expect(text(alert)).toContain("the session is finishing");
    expect(text(alert)).toContain("wait for its audits");
  });

  test("an owner who started it elsewhere brings the word, and publishes", async () => {
    const published: SessionDetail = {
      ...detailOfSession(sessions[2] as (typeof sessions)[0]),
      state: "published",
      closure: "glyphs-cnn:2.0.0",
    };
    visit("/s/s3", (url, method) =>
      method === "POST" && url.pathname.endsWith("/commands") ? { status: 200, body: published } : undefined,
    );
    type(await control("Owner's word"), "brought");
    (await find("button", "Use it")).click();
    type(await control("Version"), "2.0.0");
    (await find("button", "Publish the closure")).click();
    expect((await find("a", "glyphs-cnn:2.0.0")).getAttribute("href")).toBe("/c/glyphs-cnn:2.0.0");
    expect(requests.at(-1)).toMatchObject({ token: "Bearer brought", body: { command: "publish", version: "2.0.0" } });
  });
});

describe("the join page", () => {
  /** Leaves whatever the tests before took part in. */
  afterEach(async () => {
    FakeWorker.last?.state({ phase: "left" });
  });

  test("one tap joins, and then it shows what this browser does", async () => {
    visit("/join/s1");
    expect((await find("svg.qr")).getAttribute("aria-label")).toBe("QR code of http://localhost:3000/join/s1");
    (await find("button", "Join")).click();
    const worker = FakeWorker.last;
    expect(worker.last("join")?.order).toMatchObject({
      session: "http://localhost:3000/api/v1/sessions/s1",
      blobs: "http://localhost:3000/blobs/",
      role: "work",
      family: "v8",
      memory: 128 << 20,
    });
    worker.state({ phase: "proving" });
    await find("[role=status]", "to show that this browser can");
    worker.state({
      phase: "following",
      leases: 2,
      step: 820,
      steps: 1407,
      computed: 1234,
      verified: 1200,
      share: 0.125,
      power: 33.3,
      loss: 0.12,
      resume: "word",
      participant: "p9",
      sent: 2_500_000,
    });
    await find("[role=status]", "Working.");
    const shown = text(await card("Your contribution"));
    expect(shown).toContain("Microbatches computed1,234");
    expect(shown).toContain("Of them verified1,200");
    expect(shown).toContain("Your share13 %");
    expect(shown).toContain("33 microbatches/s");
    expect(shown).toContain("2.50 MB");
    expect(sessionStorage.getItem("reprise.resume.s1")).toBe("word");
    (await find("button", "Pause")).click();
    expect(worker.last("rest")).toEqual({ type: "rest", reason: "visitor" });
    worker.state({ phase: "following", resting: "visitor" });
    await find("[role=status]", "Paused by you.");
    (await find("button", "Go on")).click();
    expect(worker.last("rest")).toEqual({ type: "rest", reason: undefined });
    (await find("button", "Leave")).click();
    expect(worker.last("leave")).toBeDefined();
    worker.state({ phase: "left" });
    await find("[role=status]", "What you computed counts");
    expect(worker.terminated).toBe(true);
    (await find("button", "Join again")).click();
    expect(FakeWorker.last).not.toBe(worker);
    expect(FakeWorker.last.last("join")?.order.resume).toBe("word");
  });

  test("settings hold, and are kept", async () => {
    visit("/join/s1");
    (await find("button", "Join")).click();
    const worker = FakeWorker.last;
    type(await control("Workers"), "3");
    await vi.waitFor(() => expect(worker.last("workers")).toEqual({ type: "workers", workers: 3 }), { timeout: 3000 });
    (await control("Rest while this tab is hidden")).click();
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
    expect(worker.last("rest")).toEqual({ type: "rest", reason: "hidden" });
    Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
    expect(worker.last("rest")).toEqual({ type: "rest", reason: undefined });
    expect(JSON.parse(localStorage.getItem("reprise.participant") ?? "")).toMatchObject({
      workers: 3,
      restHidden: true,
    });
  });

  test.each([
    [
      { phase: "retrying", retry: { why: "the connection to the coordinator was closed", seconds: 4 } },
      "The connection to the coordinator was closed. Trying again in 4 s.",
    ],
    [
      { phase: "failed", failure: { kind: undefined, code: "cheat", message: "a result was contradicted" } },
      "its memory may be faulty",
    ],
    [
      { phase: "failed", failure: { kind: "engine", message: "this runtime flushes subnormal numbers" } },
      "This runtime flushes subnormal numbers.",
    ],
    [{ phase: "following", resting: "battery" }, "until the device is plugged in"],
    [
      { phase: "ended", end: { run: digestLike("run"), closure: "glyphs-cnn:1.0.0-session.1", message: "" } },
      "Thank you.",
    ],
  ] as [Partial<ParticipantState>, string][])("%o is explained", async (state, words) => {
    visit("/join/s1");
    (await find("button", /^Join/)).click();
    FakeWorker.last.state(state);
    await find("section.card", words);
    if (state.end) {
      expect(await find("code", digestLike("run"))).toBeDefined();
      expect((await find(".card a", "glyphs-cnn:1.0.0-session.1")).getAttribute("href")).toBe(
        "/c/glyphs-cnn:1.0.0-session.1",
      );
    }
  });

  test("a worker that does not start is a failure", async () => {
    visit("/join/s1");
    (await find("button", /^Join/)).click();
    FakeWorker.last.dispatchEvent(new ErrorEvent("error", { message: "" }));
    expect(text(await find("[role=alert]"))).toContain("it could not be started");
  });

  test("a worker that says nothing is started again, with what it was, but not for ever", async () => {
    visit("/join/s1");
    const button = await find("button", /^Join/);
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    button.click();
    const first = FakeWorker.last;
    vi.advanceTimersByTime(50_000);
    first.state({ phase: "fetching", resume: "word", workers: 1 });
    vi.advanceTimersByTime(50_000);
    first.tell({ type: "alive" });
    vi.advanceTimersByTime(50_000);
    expect(FakeWorker.last).toBe(first);
    vi.advanceTimersByTime(10_000);
    const second = FakeWorker.last;
    expect(first.terminated).toBe(true);
    expect(second).not.toBe(first);
    expect(second.last("join")?.order).toEqual({ ...first.last("join")?.order, workers: 1, resume: "word" });
    vi.advanceTimersByTime(180_000);
    vi.useRealTimers();
    expect(text(await find("[role=alert]"))).toContain("it no longer answers");
    expect(FakeWorker.last.terminated).toBe(true);
  });

  test("one that is over takes nobody in", async () => {
    visit("/join/s4");
    await find("p", "takes nobody in any more");
    expect(present("button", "Join")).toBe(false);
  });

  test("the model can be followed and taken along", async () => {
    visit("/s/s1");
    expect((await find("a", "Download the parameters")).getAttribute("href")).toMatch(
      /\/api\/v1\/sessions\/s1\/parameters$/,
    );
    (await find("button", "Follow it here")).click();
    const worker = FakeWorker.last;
    expect(worker.last("join")?.order.role).toBe("track");
    worker.state({ phase: "following", role: "track", step: 821 });
    await find("p", "Here after step 821");
    const saved: string[] = [];
    const click = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      saved.push(this.download);
    });
    URL.createObjectURL = () => "blob:x";
    URL.revokeObjectURL = () => {};
    (await find("button", "Download the parameters")).click();
    const { id } = worker.last("ask") ?? { id: -1 };
    expect(worker.last("ask")?.question).toEqual({ ask: "parameters" });
    worker.tell({ type: "reply", id, value: new Uint8Array(4) });
    await vi.waitFor(() => expect(saved).toEqual(["glyphs-cnn-step-821.safetensors"]));
    click.mockRestore();
    (await find("button", "Download the parameters")).click();
    worker.tell({ type: "reply", id: id + 1, failure: { kind: "engine", message: "the engine is gone" } });
    await find("[role=alert]", "the engine is gone");
  });
});
