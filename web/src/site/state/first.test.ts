import { expect, test } from "vitest";
import { First } from "./first.ts";

test("an answer is taken once, by the page that it is for", () => {
  const first = new First({ page: "closures", search: new URLSearchParams("page=2&odd=1") }, '{"total":3}');
  expect(first.take("/")).toBeUndefined();
  expect(first.take("/?page=2")).toEqual({ total: 3 });
  expect(first.take("/?page=2")).toBeUndefined();
  expect(new First({ page: "closure", ref: "a:1.0.0" }, "1").take("a:1.0.0")).toBe(1);
});
