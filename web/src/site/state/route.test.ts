import { describe, expect, test } from "vitest";
import { closurePath, datasetPath, isDrawn, parseRoute, refOf } from "./route.ts";

describe("addresses of pages", () => {
  test.each([
    ["/about", { page: "about" }],
    ["/c/glyphs-cnn", { page: "closure", ref: "glyphs-cnn" }],
    ["/c/glyphs-cnn:1.0.0", { page: "closure", ref: "glyphs-cnn:1.0.0" }],
    ["/c/glyphs%2Dcnn%3A1.0.0/", { page: "closure", ref: "glyphs-cnn:1.0.0" }],
    ["/c/a/b@sha256:ab", { page: "closure", ref: "a/b@sha256:ab" }],
    ["/d/glyphs:1.0.0", { page: "dataset", ref: "glyphs:1.0.0" }],
    ["/c/%E0%A4%A", { page: "missing", path: "/c/%E0%A4%A" }],
    ["/c", { page: "missing", path: "/c" }],
    ["/nowhere/at/all", { page: "missing", path: "/nowhere/at/all" }],
  ])("%s", (path, want) => {
    expect(parseRoute(path)).toMatchObject(want);
  });

  test.each(["a", "a:1.0.0", "a@sha256:ab", "team/a:1.0.0", "ä ?#%:1"])("%s comes back", (ref) => {
    expect(parseRoute(closurePath(ref))).toEqual({ page: "closure", ref });
    expect(parseRoute(datasetPath(ref))).toEqual({ page: "dataset", ref });
  });
});

test("lists are pages that the server draws", () => {
  expect(["/", "/?q=a", "/d", "/d/", "/d?q=a", "/#main"].filter((address) => !isDrawn(address))).toEqual([]);
  expect(["/about", "/d/glyphs", "/datasets", "/c/d"].filter(isDrawn)).toEqual([]);
});

test("a reference names the version, else the digest", () => {
  expect(refOf({ name: "a", version: "1", digest: "sha256:ab" })).toBe("a:1");
  expect(refOf({ name: "a", version: "", digest: "sha256:ab" })).toBe("a@sha256:ab");
  expect(refOf({ name: "a" })).toBe("a");
});
