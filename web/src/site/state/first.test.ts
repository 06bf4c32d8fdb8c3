import { expect, test } from "vitest";
import { First } from "./first.ts";

test("an answer is taken once, by the page that it is for", () => {
  const first = new First({ page: "closure", ref: "a:1.0.0" }, '{"total":3}');
  expect(first.take("b")).toBeUndefined();
  expect(first.take("a:1.0.0")).toEqual({ total: 3 });
  expect(first.take("a:1.0.0")).toBeUndefined();
  expect(new First({ page: "about" }, "1").take("a:1.0.0")).toBeUndefined();
});
