import { describe, expect, test } from "vitest";
import { slidersOf } from "./features.ts";
import { Latest } from "./latest.ts";
import { topGuesses } from "./outputs.ts";
import { blank, type Drawing, draw, keyEvent, type PadEvent } from "./pad.ts";

describe("topGuesses", () => {
  test.each([
    ["largest first", [0.1, 0.7, 0.2], 2, [1, 2]],
    ["ties by index", [0.5, 0.5], 2, [0, 1]],
    ["no more than there are", [1], 5, [0]],
    ["what is no number last", [Number.NaN, -1, -2], 3, [1, 2, 0]],
  ])("%s", (_, outputs, k, expected) => {
    expect(topGuesses(outputs, k).map((g) => g.index)).toEqual(expected);
  });
});

describe("slidersOf", () => {
  const rows = [Float32Array.of(1, -0.5, 7), Float32Array.of(4, 1.5, 7), Float32Array.of(2, 0.5, 7)];

  test("reach over the rows, and over the statistics where these go further", () => {
    const [lengths, scores] = slidersOf(rows, 3, ["lengths", ""], { mean: [2, 0.5, 7], deviation: [2, 1, 0] });
    expect(lengths).toEqual({ name: "lengths", min: 0, max: 7, step: 1, start: 2 });
    expect(scores).toEqual({ name: "feature 2", min: -2, max: 3, step: 0.01, start: 0.5 });
  });

  test("do without statistics, and with a feature that never changes", () => {
    const [lengths, , constant] = slidersOf(rows, 3, []);
    expect(lengths).toMatchObject({ min: 1, max: 4, start: 2 });
    expect(constant).toEqual({ name: "feature 3", min: 7, max: 8, step: 1, start: 7 });
  });

  test("do without rows", () => {
    expect(slidersOf([], 1, ["x"])).toEqual([{ name: "x", min: 0, max: 1, step: 1, start: 0 }]);
  });
});

describe("Latest", () => {
  test("answers one after another, and leaves out what was overtaken", async () => {
    const release: (() => void)[] = [];
    const answers: string[] = [];
    const latest = new Latest(
      (question: string) => new Promise<string>((resolve) => release.push(() => resolve(question.toUpperCase()))),
      (answer) => answers.push(answer),
      () => {},
    );
    for (const question of ["a", "b", "c"]) latest.put(question);
    expect(release).toHaveLength(1);
    release[0]?.();
    await turn();
    release[1]?.();
    await turn();
    expect(answers).toEqual(["A", "C"]);
    latest.put("d");
    expect(release).toHaveLength(3);
  });

  test("tells of failures, and goes on", async () => {
    const told: unknown[] = [];
    const latest = new Latest(
      async (n: number) => {
        if (n === 0) throw new Error("no");
        return n;
      },
      (answer) => told.push(answer),
      (thrown) => told.push((thrown as Error).message),
    );
    latest.put(0);
    await turn();
    latest.put(1);
    await turn();
    expect(told).toEqual(["no", 1]);
  });

  test("is silent once it is closed", async () => {
    const told: unknown[] = [];
    const latest = new Latest(
      async (n: number) => n,
      (answer) => told.push(answer),
      () => {},
    );
    latest.put(1);
    latest.close();
    await turn();
    expect(told).toEqual([]);
  });

  function turn(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve));
  }
});

describe("the pad", () => {
  const applied = (...events: readonly (PadEvent | undefined)[]): Drawing =>
    events.filter((e) => e !== undefined).reduce(draw, blank);
  const point = (x: number, y: number) => ({ x, y });

  test("takes strokes of a pointer", () => {
    const { strokes } = applied(
      { type: "begin", points: [point(0, 0)] },
      { type: "extend", points: [point(1, 0), point(1, 1)] },
      { type: "begin", points: [point(0, 1)] },
    );
    expect(strokes).toEqual([[point(0, 0), point(1, 0), point(1, 1)], [point(0, 1)]]);
  });

  test("takes keys: the pen draws where it moves while it is down", () => {
    const { strokes, down } = applied(
      keyEvent("ArrowLeft"),
      keyEvent(" "),
      keyEvent("ArrowDown"),
      keyEvent("Enter"),
      keyEvent("ArrowUp"),
    );
    expect(strokes).toEqual([[point(0.46, 0.5), point(0.46, 0.54)]]);
    expect(down).toBe(false);
  });

  test("keeps the pen on the paper", () => {
    const { cursor } = applied(...Array.from({ length: 40 }, () => keyEvent("ArrowRight")));
    expect(cursor).toEqual(point(1, 0.5));
  });

  test("leaves other keys alone", () => {
    expect(keyEvent("Tab")).toBeUndefined();
  });
});
