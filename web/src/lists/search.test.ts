// @vitest-environment jsdom
// A list as the server draws it, and what its search exchanges.

import { beforeEach, expect, test, vi } from "vitest";
import { Search } from "./search.ts";

/** The page of a search. */
function page(words: string, task: string, found: readonly string[]): string {
  const options = ["", "tables", "images"].map(
    (t) => `<option value="${t}"${t === task && t !== "" ? " selected" : ""}>${t || "Any"}</option>`,
  );
  return `<form id="search" action="/"><input id="q" name="q" type="search" value="${words}"></form>
    <select id="task" name="task" form="search" data-part>${options.join("")}</select>
    <p id="total" role="status" data-part>${found.length}</p>
    <p id="clear" data-part>${words || task ? '<a href="/">Clear</a>' : ""}</p>
    <div id="list" data-part>${found.map((f) => `<article>${f}</article>`).join("")}</div>`;
}

let asked: string[];
let answer: (address: URL) => Response | Promise<Response>;

beforeEach(() => {
  history.replaceState(null, "", "/");
  document.body.innerHTML = page("", "", ["a", "b"]);
  asked = [];
  answer = (address) => {
    const { searchParams: s } = address;
    return new Response(page(s.get("q") ?? "", s.get("task") ?? "", ["found"]));
  };
});

function start(): void {
  const form = document.querySelector("form") as HTMLFormElement;
  new Search(form, async (address) => {
    asked.push(String(address));
    return answer(new URL(String(address), "http://localhost"));
  }).start();
}

const field = () => document.getElementById("q") as HTMLInputElement;
const choice = () => document.getElementById("task") as HTMLSelectElement;
const list = () => document.getElementById("list")?.textContent;

function type(words: string): void {
  field().value = words;
  field().dispatchEvent(new Event("input", { bubbles: true }));
}

function choose(task: string): void {
  choice().value = task;
  choice().dispatchEvent(new Event("change", { bubbles: true }));
}

test("searches after a rest, says so in the address, and keeps the field", async () => {
  start();
  const before = field();
  type("cul");
  type("cultivars");
  await vi.waitFor(() => expect(list()).toBe("found"));
  expect(asked).toEqual(["/?q=cultivars"]);
  expect(location.search).toBe("?q=cultivars");
  expect(field()).toBe(before);
  expect(field().value).toBe("cultivars");
  expect(document.getElementById("total")?.textContent).toBe("1");
  expect(document.querySelector("#clear a")).not.toBeNull();
  expect(document.getElementById("list")?.getAttribute("aria-busy")).toBe("false");
});

test("a choice narrows at once, and one taken back leaves the address short", async () => {
  start();
  choose("tables");
  await vi.waitFor(() => expect(list()).toBe("found"));
  expect(choice().value).toBe("tables");
  choose("");
  await vi.waitFor(() => expect(asked).toEqual(["/?task=tables", "/"]));
  expect(location.search).toBe("");
});

test("sending the form searches without leaving the page", async () => {
  start();
  field().value = "now";
  const event = new Event("submit", { bubbles: true, cancelable: true });
  document.querySelector("form")?.dispatchEvent(event);
  expect(event.defaultPrevented).toBe(true);
  await vi.waitFor(() => expect(list()).toBe("found"));
});

test("what was typed before the script came is searched for", async () => {
  field().value = "early";
  start();
  await vi.waitFor(() => expect(asked).toEqual(["/?q=early"]));
});

test("a page that is what its form says is left alone", () => {
  history.replaceState(null, "", "/?q=x&page=3");
  document.body.innerHTML = page("x", "images", ["c"]);
  start();
  expect(asked).toEqual([]);
});

test("only the newest search is shown", async () => {
  let release: (response: Response) => void = () => {};
  const slow = new Promise<Response>((resolve) => {
    release = resolve;
  });
  const others = answer;
  answer = (address) => (address.searchParams.get("task") === "images" ? slow : others(address));
  start();
  choose("images");
  choose("tables");
  await vi.waitFor(() => expect(list()).toBe("found"));
  release(new Response(page("", "images", ["late"])));
  await slow;
  await Promise.resolve();
  expect(list()).toBe("found");
  expect(choice().value).toBe("tables");
});

test.each([
  ["the server answers with 503", () => new Response("no", { status: 503 })],
  ["the server cannot be reached", () => Promise.reject(new TypeError("network"))],
])("%s: it is said, and can be tried again", async (says, fail) => {
  const works = answer;
  answer = fail;
  start();
  type("x");
  await vi.waitFor(() => expect(document.querySelector("[role=alert]")?.textContent?.toLowerCase()).toContain(says));
  answer = works;
  document.querySelector<HTMLButtonElement>("[role=alert] button")?.click();
  await vi.waitFor(() => expect(list()).toBe("found"));
});
