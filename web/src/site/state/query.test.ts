import { expect, test } from "vitest";
import { askedFor, closureQuery, readSearch, searchPath } from "./query.ts";

const read = (text: string) => readSearch(new URLSearchParams(text));

test("the plain front page", () => {
  const search = read("");
  expect(search).toEqual({ q: "", facets: {}, sort: "newest", page: 1 });
  expect(searchPath(search)).toBe("/");
  expect(closureQuery(search)).toEqual({ q: "", sort: "newest", offset: 0, limit: 24 });
});

test("a search comes back from its address", () => {
  const search = read("q=a+b&task=t&dataset=d&license=MIT&verified=signed&sort=accuracy&page=3");
  expect(readSearch(new URLSearchParams(searchPath(search).slice(2)))).toEqual(search);
  expect(closureQuery(search)).toMatchObject({ q: "a b", task: "t", verified: "signed", offset: 48 });
});

test.each(["page=0", "page=-1", "page=1e99", "page=x", "sort=no-such", "task="])("%s means the front page", (text) => {
  expect(searchPath(read(text))).toBe("/");
});

test("a giant query is cut", () => {
  expect(read(`q=${"x".repeat(5000)}`).q).toHaveLength(200);
});

test("where the form of the front page leads", () => {
  const asked = (address: string, form: Record<string, string>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(form)) data.set(name, value);
    return askedFor({ page: "closures", search: new URLSearchParams(address) }, data);
  };
  const unchanged = { q: "", task: "", dataset: "", license: "", verified: "", sort: "newest" };
  expect(asked("", unchanged)).toBeUndefined();
  expect(asked("page=3", unchanged)).toBeUndefined();
  expect(asked("page=3", { ...unchanged, q: "glyphs" })).toBe("/?q=glyphs");
  expect(asked("q=a&task=b", { ...unchanged, task: "b" })).toBe("/?task=b");
  expect(askedFor({ page: "about" }, new FormData())).toBeUndefined();
});
