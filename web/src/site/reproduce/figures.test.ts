import { describe, expect, test } from "vitest";
import type { Predictions } from "../../core/replica.ts";
import type { JournalLine } from "../../gen/schema.ts";
import { Comparison } from "./comparison.ts";
import { classFigures, confusionMatrix, confusions, worstMistakes } from "./confusion.ts";
import { CurveBuilder, recordedCurve } from "./curve.ts";
import { Meter, secondsLeft } from "./meter.ts";
import type { Progress } from "./protocol.ts";
import { defaultWorkers, describeAgent, mostWorkers } from "./runtime.ts";

function predictions(
  expected: number[],
  predicted: number[],
  confidence: number[] = [],
  support: number[] = [],
): Predictions {
  return {
    expected: Uint16Array.from(expected),
    predicted: Uint16Array.from(predicted),
    confidence: Float32Array.from(confidence),
    support: Float32Array.from(support),
  };
}

describe("confusion", () => {
  const matrix = confusionMatrix(predictions([0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 2, 1]), 4);

  test("counts what is taken for what", () => {
    expect(matrix).toEqual([
      [1, 1, 0, 0],
      [0, 2, 1, 0],
      [0, 1, 0, 0],
      [0, 0, 0, 0],
    ]);
  });

  test("has the figures of each class, and none where there is nothing to divide by", () => {
    const [first, second, third, fourth] = classFigures(matrix);
    expect(first).toEqual({ records: 2, taken: 1, correct: 1, precision: 1, recall: 0.5, f1: 2 / 3 });
    expect(second).toMatchObject({ precision: 0.5, recall: 2 / 3 });
    expect(third).toMatchObject({ precision: 0, recall: 0, f1: 0 });
    expect(fourth).toMatchObject({ precision: undefined, recall: undefined, f1: undefined });
  });

  test("lists the pairs that are confused most", () => {
    expect(confusions(matrix, 2)).toEqual([
      { expected: 0, predicted: 1, records: 1 },
      { expected: 1, predicted: 2, records: 1 },
    ]);
  });

  test("grows for classes that nobody announced, but not without end", () => {
    expect(confusionMatrix(predictions([5], [0]), 2)).toHaveLength(6);
    expect(confusionMatrix(predictions([60000], [0]), 2)).toEqual([]);
  });

  test("the worst mistakes are the surest ones; a class that the engine lacks has no support", () => {
    const p = predictions([0, 0, 1, 9], [0, 1, 0, 0], [0.9, 0.5, 0.8, 0.6], [0.9, 0.4, 0.1, Number.NaN]);
    expect(worstMistakes(p, 2)).toEqual([2, 3]);
  });
});

describe("curves", () => {
  const line = (step: number, loss?: number, correct?: number) => ({
    step,
    examples: 2,
    ...(loss !== undefined && { loss: loss * 2 ** 20 }),
    ...(correct !== undefined && { correct }),
  });

  test("a short training has a point for each step", () => {
    const curve = new CurveBuilder(2);
    expect([curve.add(line(1, 4, 1)), curve.add(line(2, 2))]).toEqual([
      { step: 1, loss: 2, accuracy: 0.5 },
      { step: 2, loss: 1, accuracy: null },
    ]);
  });

  test("a long one has means of steps, and a point at its end", () => {
    const curve = new CurveBuilder(1001);
    const points = Array.from({ length: 1001 }, (_, i) => curve.add(line(i + 1, i, 1))).filter((p) => p !== undefined);
    expect(points.map((p) => p.step).slice(0, 2)).toEqual([3, 6]);
    expect(points[0]).toEqual({ step: 3, loss: 0.5, accuracy: 0.5 });
    expect(points.at(-1)?.step).toBe(1001);
    expect(points.length).toBeLessThanOrEqual(400);
  });

  test("what cannot be read makes no point", () => {
    const text =
      '{"type":"header"}\n{"type":"step","step":1,"examples":1,"loss":1048576}\n{"type":"step"\n{"type":"step"}\n';
    expect(recordedCurve(text, 1)).toEqual([{ step: 1, loss: 1, accuracy: null }]);
  });
});

describe("Comparison", () => {
  const step = (loss: number): JournalLine => ({ type: "step", step: 1, microbatches: [[0, 4]], examples: 8, loss });
  const text = '{"examples":8,"loss":5,"microbatches":[[0,4]],"step":1,"type":"step"}\n';

  test.each([
    ["a value", text, step(6), { step: 1, what: "loss in the step line", recorded: "5", observed: "6" }],
    [
      "a value that is missing",
      text.replace('"loss":5,', ""),
      step(6),
      { step: 1, what: "loss in the step line", recorded: "nothing", observed: "6" },
    ],
    [
      "a line of another type",
      '{"type":"event"}\n',
      step(5),
      { step: 1, what: "the step line", recorded: '{"type":"event"}', observed: text.trim() },
    ],
    [
      "a line that is no JSON",
      "?\n",
      step(5),
      { step: 1, what: "the step line", recorded: "?", observed: text.trim() },
    ],
    [
      "another spelling",
      text.replace("{", "{ "),
      step(5),
      { step: 1, what: "the step line", recorded: text.replace("{", "{ ").trim(), observed: text.trim() },
    ],
    [
      "a journal that ends too soon",
      "",
      step(5),
      { step: 1, what: "the step line", recorded: "nothing", observed: text.trim() },
    ],
  ] as const)("%s", (_, recorded, line, expected) => {
    expect(new Comparison(recorded).next(line)).toEqual(expected);
  });

  test("equal lines are counted, and what is left over is a difference", () => {
    const comparison = new Comparison(`${text}more\n`);
    expect(comparison.next(step(5))).toBeUndefined();
    expect(comparison.lines).toBe(1);
    expect(comparison.end(1)).toEqual({
      step: 1,
      what: "what follows the last line",
      recorded: "more",
      observed: "nothing",
    });
  });
});

describe("Meter", () => {
  test("tells now and then, and of the end always", () => {
    const gate = { seconds: 0 };
    const told: Progress[] = [];
    const meter = new Meter(gate, "training", "steps", 100, (p) => told.push(p));
    for (let step = 1; step <= 100; step++) {
      gate.seconds += 0.01;
      meter.reached(step);
    }
    expect(told.length).toBeGreaterThan(4);
    expect(told.length).toBeLessThan(9);
    expect(told[0]).toMatchObject({ done: 0, perSecond: 0 });
    expect(told.at(-1)).toMatchObject({ done: 100 });
    expect(told.at(-1)?.perSecond).toBeCloseTo(100);
  });

  test("knows the time that is left once there is a speed", () => {
    const progress: Progress = { phase: "training", unit: "steps", done: 10, total: 30, perSecond: 5 };
    expect(secondsLeft(progress)).toBe(4);
    expect(secondsLeft({ ...progress, perSecond: 0 })).toBeUndefined();
  });
});

describe("runtime", () => {
  test.each([
    ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140", "Linux"],
    [
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 Edg/142.0",
      "Edge 142",
      "Windows",
    ],
    [
      "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36",
      "Chromium 142",
      "Android",
    ],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile/15E148 Safari/604.1",
      "Safari 18",
      "iOS",
    ],
    ["curl/8", "an unknown browser", "an unknown system"],
  ])("reads %s", (agent, browser, os) => {
    expect(describeAgent(agent)).toEqual({ browser, os });
  });

  test("leaves a core to the page", () => {
    expect([undefined, 1, 2, 8].map(defaultWorkers)).toEqual([1, 1, 1, 7]);
    expect([undefined, 2, 16].map(mostWorkers)).toEqual([4, 4, 16]);
  });
});
