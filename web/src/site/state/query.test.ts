import { expect, test } from "vitest";
import { closureQuery, readSearch, searchPath } from "./query.ts";

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
