import { describe, expect, test } from "vitest";
import { encode, safetensors } from "../../fixtures/store.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import type { Tensor } from "./tensor.ts";

const tensors: Tensor[] = [
  { name: "weight", dtype: "f32", shape: [3, 2], data: new Uint8Array(24).map((_, i) => i) },
  { name: "scalar", dtype: "i32", shape: [], data: new Uint8Array([1, 2, 3, 4]) },
  { name: "none", dtype: "f32", shape: [0, 4], data: new Uint8Array() },
];

/** A file of any header and so many bytes of data. */
function file(header: string, bytes: number, length = header.length): Uint8Array<ArrayBuffer> {
  const size = new Uint8Array(new BigUint64Array([BigInt(length)]).buffer);
  return new Uint8Array([...size, ...encode(header), ...new Uint8Array(bytes)]);
}

const one = (dtype: string, shape: string, offsets: string) =>
  `{"w": {"dtype": "${dtype}", "shape": ${shape}, "data_offsets": ${offsets}}}`;

describe("readSafetensors", () => {
  test("reads what a writer wrote, in the order of the bytes", () => {
    expect(readSafetensors(safetensors(tensors), "model.safetensors")).toEqual(tensors);
  });

  test("passes over metadata", () => {
    expect(readSafetensors(file('{"__metadata__": {"step": "3"}}', 0), "model.safetensors")).toEqual([]);
  });

  test.each<[string, Uint8Array<ArrayBuffer>, string]>([
    ["a file without a header", new Uint8Array(7), "it has 7 bytes; a header needs at least 8"],
    ["a header longer than the file", file("{}", 0, 3), "its header claims 3 bytes, the file has 10"],
    ["a header of 2⁶³ bytes", new Uint8Array(16).fill(0x7f), "its header claims 9187201950435737471 bytes"],
    ["a header that is not JSON", file("{]", 0), "it is not JSON"],
    ["another dtype", file(one("BF16", "[1]", "[0, 2]"), 2), 'w.dtype: "BF16" is not a dtype in use here'],
    ["a shape that is too small", file(one("F32", "[1]", "[0, 8]"), 8), "w: it spans 8 bytes, its shape needs 4"],
    ["a negative dimension", file(one("F32", "[-1]", "[0, 4]"), 4), "w.shape[0]: -1 is not an integer"],
    ["offsets beyond the data", file(one("F32", "[2]", "[0, 8]"), 4), "w.data_offsets[1]: 8 is not an integer from 0"],
    ["three offsets", file(one("F32", "[1]", "[0, 4, 4]"), 4), "w.data_offsets: two offsets are needed"],
    ["a hole before the first tensor", file(one("F32", "[1]", "[4, 8]"), 8), "w begins at byte 4 of the data, 0 is"],
    ["bytes after the last tensor", file(one("F32", "[1]", "[0, 4]"), 5), "1 bytes of data belong to no tensor"],
    [
      "tensors that overlap",
      file(
        '{"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}, "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}}',
        6,
      ),
      "b begins at byte 2 of the data, 4 is expected",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readSafetensors(bytes, "model.safetensors")).toThrow(`model.safetensors: ${message}`);
  });
});

test("writes by descending dtype, then by name, so that there is one file of the same tensors", () => {
  const tensor = (name: string, dtype: Tensor["dtype"], bytes: number[]): Tensor => ({
    name,
    dtype,
    shape: [],
    data: Uint8Array.from(bytes),
  });
  const tensors = [
    tensor("b", "f32", [1, 2, 3, 4]),
    tensor("a", "f32", [5, 6, 7, 8]),
    tensor("c", "i64", [9, 0, 0, 0, 0, 0, 0, 0]),
  ];
  const file = writeSafetensors(tensors);
  const header = new TextDecoder().decode(file.subarray(8, file.length - 16));
  expect(header.trimEnd()).toBe(
    '{"c":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}',
  );
  expect(header.length % 8).toBe(0);
  expect(readSafetensors(file, "file").map((t) => t.name)).toEqual(["c", "a", "b"]);
});
