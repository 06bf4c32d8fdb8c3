import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { carryOver } from "./carryover.ts";
import { type DType, elements, type Tensor } from "./tensor.ts";

/** A tensor: x of u16, unless it says otherwise. */
interface Numbers {
  readonly name?: string;
  readonly dtype?: DType;
  readonly shape: readonly number[];
}

/** The examples that the runner is held to, too: a new tensor counts from 100 on, an old one from 0. */
const examples = JSON.parse(
  await readFile(new URL("../../../runner/testdata/carryover.json", import.meta.url), "utf8"),
) as { name: string; fresh: Numbers; old: Numbers; want: number[] }[];

function numbered({ name = "x", dtype = "u16", shape }: Numbers, from: number): Tensor {
  const values = Uint16Array.from({ length: elements(shape) }, (_, i) => from + i);
  return { name, dtype, shape, data: new Uint8Array(values.buffer) };
}

test.each(examples)("$name", ({ fresh, old, want }) => {
  const initial = numbered(fresh, 100);
  const before = initial.data.slice();
  const rest = numbered({ name: "s", shape: [1] }, 9);
  const [carried, state] = carryOver([initial, rest], [numbered({ name: "gone", shape: [4] }, 1), numbered(old, 0)]);
  expect([...new Uint16Array(carried?.data.buffer ?? new ArrayBuffer(0))]).toEqual(want);
  expect(carried).toMatchObject({ name: "x", shape: fresh.shape });
  expect(state).toEqual(rest);
  expect(initial.data).toEqual(before); // what init wrote is not changed in place
});
