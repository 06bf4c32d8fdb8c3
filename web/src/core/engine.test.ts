import { beforeEach, describe, expect, test } from "vitest";
import { assemble, perceptron, perceptronSection, perceptronText } from "../../fixtures/engine.ts";
import { Engine } from "./engine.ts";
import type { Tensor } from "./tensor.ts";

/** The perceptron with a piece of its text replaced. */
async function altered(piece: string, by: string): Promise<Engine> {
  const text = await perceptronText();
  expect(text).toContain(piece);
  return Engine.instantiate(await assemble(text.replace(piece, by), perceptronSection), "engine.wasm");
}

describe("Engine", () => {
  let engine: Engine;
  beforeEach(async () => {
    engine = await Engine.instantiate(await perceptron(), "engine.wasm");
    engine.init(42n);
  });

  function fill(): number {
    const n = engine.select(1, 0, 100);
    engine.input.set(Array.from({ length: 16 }, (_, i) => i));
    engine.target.set([0, 1, 2, 0]);
    return n;
  }

  test("init fills parameters and state from the seed", async () => {
    const other = await Engine.instantiate(await perceptron(), "engine.wasm");
    other.init(43n);
    expect(engine.state().find((t) => t.name === "seed")?.data[0]).toBe(42);
    expect((await engine.digests()).parameters).not.toBe((await other.digests()).parameters);
    other.init(42n);
    expect(await other.digests()).toEqual(await engine.digests());
  });

  test("step 0 uses the examples of step 1", () => {
    expect(engine.select(0, 3, 100)).toBe(4);
    const first = [...engine.indices];
    engine.select(1, 3, 100);
    expect([...engine.indices]).toEqual(first);
    engine.select(2, 3, 100);
    expect([...engine.indices]).not.toEqual(first);
  });

  test("a step changes the parameters by the hyper-parameter's measure", async () => {
    const before = await engine.digests();
    const weights = () => engine.parameters()[0]?.data;
    const start = weights();
    engine.zeroAccumulators();
    engine.accumulate(1, 0, fill());
    engine.setHyperparameter("rate", 0);
    engine.apply(1);
    expect(weights()).toEqual(start);
    engine.setHyperparameter("rate", 0.25);
    engine.apply(1);
    expect((await engine.digests()).parameters).not.toBe(before.parameters);
  });

  test("accumulators are copied out and in", () => {
    engine.zeroAccumulators();
    engine.accumulate(1, 0, fill());
    const copy = engine.copyAccumulators();
    expect(copy.some((byte) => byte !== 0)).toBe(true);
    engine.zeroAccumulators();
    expect(engine.copyAccumulators().every((byte) => byte === 0)).toBe(true);
    engine.setAccumulators(copy);
    expect(engine.copyAccumulators()).toEqual(copy);
    expect(() => engine.setAccumulators(copy.slice(1))).toThrow("87 bytes are no accumulators of 88 bytes");
  });

  test("metrics add up until they are zeroed", () => {
    engine.evaluate(fill());
    engine.evaluate(4);
    expect(engine.metrics().count).toBe(8n);
    engine.zeroMetrics();
    expect(engine.metrics()).toEqual({ count: 0n, correct: 0n, loss: 0n });
  });

  test("installed tensors need restore to show in a prediction", async () => {
    const predict = (e: Engine) => {
      e.input.set(Array.from({ length: 16 }, (_, i) => i));
      e.predict(4);
      return [...e.output];
    };
    const fresh = await Engine.instantiate(await perceptron(), "engine.wasm");
    fresh.install([...engine.parameters(), ...engine.state()], "model.safetensors");
    expect(predict(fresh)).not.toEqual(predict(engine));
    fresh.restore();
    expect(predict(fresh)).toEqual(predict(engine));
    expect(await fresh.digests()).toEqual(await engine.digests());
  });

  test("tensors that are not the engine's are refused", () => {
    const [weight] = engine.parameters() as [Tensor];
    const path = "model.safetensors";
    expect(() => engine.install([{ ...weight, name: "bias" }], path)).toThrow(`${path}: the engine has no tensor bias`);
    expect(() => engine.install([{ ...weight, shape: [4, 3] }], path)).toThrow(
      `${path}: weight is f32 [4,3], the engine's is f32 [3,4]`,
    );
    expect(() => engine.install([{ ...weight, dtype: "i32" }], path)).toThrow(`${path}: weight is i32 [3,4]`);
  });

  test("hyper-parameters outside their range are refused", () => {
    expect(() => engine.setHyperparameter("momentum", 1)).toThrow('the engine has no hyper-parameter "momentum"');
    expect(() => engine.setHyperparameter("rate", 9)).toThrow("rate: 9 is not between 0 and 8");
    expect(() => engine.setHyperparameter("rate", Number.NaN)).toThrow("rate: NaN is not between 0 and 8");
  });

  test("a status is told in the section's words", () => {
    const n = fill();
    engine.target[2] = 3;
    expect(() => engine.accumulate(1, 0, n)).toThrow("engine.wasm: accumulate: a target is not a class");
    engine.zeroAccumulators();
    expect(() => engine.apply(1)).toThrow("engine.wasm: apply: a step without examples");
  });

  test("a status that the section does not explain is told by its number", async () => {
    const odd = await altered("(return (i32.const 2))", "(return (i32.const 77))");
    expect(() => odd.apply(1)).toThrow("engine.wasm: apply: status 77, which its section does not explain");
  });
});

describe("an engine that breaks the contract", () => {
  test("is not called again after a trap", async () => {
    const engine = await altered("(call $derive)\n    (i32.const 0))", "(unreachable))");
    engine.init(1n);
    engine.accumulate(1, 0, engine.select(1, 0, 100));
    expect(() => engine.apply(1)).toThrow(/^engine\.wasm: apply trapped: /);
    expect(() => engine.init(1n)).toThrow(/^engine\.wasm: init: the engine is no longer usable: apply trapped/);
  });

  test("may not choose more examples than it has room for", async () => {
    const engine = await altered("(i32.const 4))\n\n  ;; The score", "(i32.const 5))\n\n  ;; The score");
    expect(() => engine.select(1, 0, 100)).toThrow("engine.wasm: select chose 5 examples; 1 to 4 are legal");
  });

  test.each([
    ["without an export", '(export "predict")', "", "it exports no function predict of 1 parameters"],
    ["with another signature", '(export "evaluate")', '(export "evaluate") (param i32)', "no function evaluate of 1"],
    ["that keeps its memory", '(export "memory")', "", "it exports no memory"],
  ])("is refused: one %s", async (_, piece, by, message) => {
    await expect(altered(piece, by)).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(message),
    });
  });

  test("is refused if the browser does not accept its code", async () => {
    const bytes = await perceptron();
    // The body of the last function in the code section ends before the data section; an opcode that is none goes there.
    const code = bytes.findIndex((byte, i) => byte === 0x41 && bytes[i + 1] === 0xc0 && bytes[i + 2] === 0x02);
    bytes[code] = 0xff;
    await expect(Engine.instantiate(bytes, "engine.wasm")).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringMatching(/^engine\.wasm: this browser refuses the module: /),
    });
  });
});
