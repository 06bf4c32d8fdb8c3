import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { digestOf, hexOf, parseDigest, verified } from "./digest.ts";

const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

describe("parseDigest", () => {
  test("reads the written form", () => {
    expect(parseDigest(empty)).toBe(empty);
  });

  test.each([
    ["nothing", ""],
    ["no algorithm", empty.slice(7)],
    ["another algorithm", empty.replace("sha256", "sha512")],
    ["upper-case digits", `sha256:${empty.slice(7).toUpperCase()}`],
    ["a digit too few", empty.slice(0, -1)],
    ["a digit too many", `${empty}0`],
    ["a line end", `${empty}\n`],
  ])("refuses %s", (_, text) => {
    expect(parseDigest(text)).toBeUndefined();
  });
});

test("digestOf agrees with another implementation", async () => {
  const bytes = new TextEncoder().encode("the same bits everywhere");
  const digest = await digestOf(bytes);
  expect(hexOf(digest)).toBe(createHash("sha256").update(bytes).digest("hex"));
});

test("verified returns the bytes it was given", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  expect(await verified(bytes, await digestOf(bytes), "three.bin")).toBe(bytes);
});

test("verified names the file, what it is and what it should be", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const observed = await digestOf(bytes);
  const other = await digestOf(new Uint8Array());
  await expect(verified(bytes, other, "train/00001.bin")).rejects.toMatchObject({
    kind: "damaged",
    message: `train/00001.bin: its bytes are ${observed}, it should be ${empty}`,
  });
});
