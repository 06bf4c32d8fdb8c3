import { expect, test } from "vitest";
import { isWide } from "./scale.ts";

test.each<[string, (number | null)[], boolean]>([
  ["nothing", [], false],
  ["gaps alone", [null], false],
  ["a decade", [2, 0.2, null], false],
  ["more than that", [2, null, 0.19], true],
  ["a zero", [2, 0], false],
  ["below zero", [100, -1], false],
])("%s", (_, values, want) => expect(isWide(values)).toBe(want));
