import { describe, expect, test } from "vitest";
import {
  assemble,
  type Bytes,
  perceptron,
  perceptronSection,
  perceptronText,
  withSection,
} from "../../fixtures/engine.ts";
import { readEngineSection } from "./section.ts";

const small = (body: string) => assemble(`(module ${body})`, perceptronSection);

/** The perceptron with another section. */
async function described(section: object): Promise<Bytes> {
  return assemble(await perceptronText(), { ...perceptronSection, ...section });
}

function regions(name: string, change: object): object {
  const all: Record<string, object> = perceptronSection.regions;
  return { regions: { ...all, [name]: { ...all[name], ...change } } };
}

function segment(change: object): object {
  return { segments: [{ ...perceptronSection.segments[0], ...change }] };
}

describe("readEngineSection", () => {
  test("reads what the engine says of itself", async () => {
    const section = readEngineSection(await perceptron(), "engine.wasm");
    expect(section).toMatchObject({ capacity: 4, maxMicrobatches: 100_000, parameters: [{ name: "weight" }] });
    expect(section.segments.map((s) => s.name)).toEqual(["gradient", "peak", "loss", "examples", "correct", "clipped"]);
  });

  test("an engine without hyper-parameters and state needs neither", async () => {
    const section = readEngineSection(await described({ hyperparameters: null, state: [] }), "engine.wasm");
    expect(section).toMatchObject({ hyperparameters: [], state: [] });
  });

  const module = "engine.wasm: ";
  const json = "engine.wasm: reprise.engine: ";
  test.each<[string, () => Bytes | Promise<Bytes>, string]>([
    ["what is not WebAssembly", () => new Uint8Array(8), `${module}it is not a WebAssembly module of version 1`],
    [
      "a module cut short",
      async () => (await perceptron()).slice(0, -1),
      `${module}the WebAssembly module is cut short`,
    ],
    [
      "a size that never ends",
      () => new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff]),
      `${module}a number in it does not fit 32 bits`,
    ],
    ["an import", () => small('(import "a" "f" (func)) (memory 1 1)'), `${module}an engine imports nothing`],
    ["a start function", () => small("(memory 1 1) (func $f) (start $f)"), `${module}an engine has no start function`],
    ["no memory", () => small(""), `${module}an engine has one memory`],
    ["memory without a maximum", () => small("(memory 1)"), `${module}an engine's memory is private and fixed`],
    ["memory that can grow", () => small("(memory 1 2)"), `${module}an engine's memory is private and fixed`],
    ["memory beyond reason", () => small("(memory 16385 16385)"), `${module}its memory of 16385 pages exceeds 16384`],
    ["no section", () => assemble("(module (memory 1 1))"), `${module}it needs one custom section "reprise.engine"`],
    [
      "two sections",
      async () => withSection(await perceptron(), perceptronSection),
      `${module}it needs one custom section "reprise.engine"`,
    ],
    ["another ABI", () => described({ abi: 2 }), `${json}abi: this host runs engines of ABI 1, not 2`],
    ["more records than indices", () => described({ capacity: 5 }), `${json}capacity: 5 is not an integer from 1 to 4`],
    ["no capacity", () => described({ capacity: 0 }), `${json}capacity: 0 is not an integer from 1 to 4`],
    ["a missing region", () => described({ regions: {} }), `${json}regions: "indices" is missing`],
    [
      "a region outside the memory",
      () => described(regions("output", { offset: 65532 })),
      `${json}regions.output: bytes 65532 to 65580 lie outside 0 to 65536`,
    ],
    [
      "a region that is not aligned",
      () => described(regions("metrics", { offset: 164 })),
      `${json}regions.metrics: its offset 164 is not a multiple of 8`,
    ],
    [
      "a tensor outside the memory",
      () => described({ parameters: [{ name: "w", dtype: "f32", shape: [1e15], offset: 0 }] }),
      `${json}parameters[0]: bytes 0 to 4000000000000000 lie outside`,
    ],
    [
      "a segment outside the accumulators",
      () => described(segment({ count: 23 })),
      `${json}segments[0]: bytes 64 to 156 lie outside 64 to 152`,
    ],
    [
      "a segment that cannot be merged in a copy",
      () =>
        described({
          ...regions("accumulators", { offset: 68, size: 84 }),
          ...segment({ type: "i64", count: 1, offset: 72 }),
        }),
      `${json}segments[0]: it is not aligned within the region of accumulators`,
    ],
    [
      "another way to merge",
      () => described(segment({ combine: "mean" })),
      `${json}segments[0].combine: "mean" is not one of add, max`,
    ],
  ])("refuses %s", async (_, make, message) => {
    const bytes = await make();
    expect(() => readEngineSection(bytes, "engine.wasm")).toThrow(message);
  });
});
