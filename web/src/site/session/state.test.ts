import { describe, expect, test } from "vitest";
import { chance, rate, share, time } from "./figures.ts";
import { merged, mostPoints } from "./live.ts";
import { runtimeOf } from "./participation.ts";
import { readSettings, restReason } from "./settings.ts";

describe("settings", () => {
  test("as at first, where nothing sensible was kept", () => {
    const first = { workers: 3, name: "", memory: 128, restHidden: false, battery: "low", awake: false };
    for (const text of ["", "{", "[]", "null", '{"workers":0,"memory":3,"battery":"x","name":7}']) {
      expect(readSettings(text, 4)).toEqual(first);
    }
    expect(readSettings('{"workers":64}', 4).workers).toBe(4);
  });

  test.each([
    ["low", false, 0.5, undefined],
    ["low", false, 0.1, "battery"],
    ["low", true, 0.1, undefined],
    ["rest", false, 0.9, "battery"],
    ["work", false, 0.05, undefined],
  ] as const)("on battery %s, charging %s, at %s: %s", (battery, charging, level, reason) => {
    const settings = { ...readSettings("", 4), battery };
    expect(restReason(settings, { hidden: false, battery: { charging, level } }, false)).toBe(reason);
  });

  test("a hidden tab rests where that is wished; a pause comes before all", () => {
    const settings = readSettings('{"restHidden":true}', 4);
    expect(restReason(settings, { hidden: true, battery: undefined }, false)).toBe("hidden");
    expect(restReason(settings, { hidden: true, battery: undefined }, true)).toBe("visitor");
    expect(restReason({ ...settings, restHidden: false }, { hidden: true, battery: undefined }, false)).toBeUndefined();
  });
});

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "spidermonkey"],
  ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", "v8"],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 CriOS/156.0 Mobile/15E148 Safari/604.1",
    "jsc",
  ],
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.4 Safari/605.1.15",
    "jsc",
  ],
])("%s runs on %s", (agent, family) => {
  expect(runtimeOf(agent).family).toBe(family);
});

test("points are merged by step, and thinned when they are too many", () => {
  const old = [
    { step: 1, loss: 3 },
    { step: 3, loss: 1 },
  ];
  expect(
    merged(old, [
      { step: 2, loss: 2 },
      { step: 3, test: 0.5 },
    ]),
  ).toEqual([
    { step: 1, loss: 3 },
    { step: 2, loss: 2 },
    { step: 3, loss: 1, test: 0.5 },
  ]);
  const many = Array.from({ length: 2 * mostPoints + 1 }, (_, i) => ({
    step: i,
    loss: 1,
    ...(i === 7 && { test: 0.9 }),
  }));
  const thin = merged([], many);
  expect(thin.length).toBeLessThan(mostPoints + 5);
  expect(thin.some((p) => p.step === 7)).toBe(true);
  expect(thin.at(-1)?.step).toBe(2 * mostPoints);
});

test("figures", () => {
  expect([0, 0.5, 61240.5].map(rate)).toEqual(["–", "0.5", "61.2k"]);
  expect([0, 0.0004, 0.043, 1.5, 125].map(time)).toEqual(["–", "0.40 ms", "43 ms", "1.50 s", "2 min 5 s"]);
  expect([0, 0.004, 0.125, 1].map(share)).toEqual(["0 %", "0.40 %", "13 %", "100 %"]);
  expect([0, 0.5, 3.1e-12].map(chance)).toEqual(["0", "50 %", "3.1 · 10⁻¹²"]);
});
