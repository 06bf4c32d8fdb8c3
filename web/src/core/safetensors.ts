// Safetensors files. The reader is strict: nothing is accepted that the format's writers would not write. Duplicate keys
// of the header cannot be seen through JSON.parse; they cannot hide anything here, because the bytes of the whole file
// must be covered exactly once.

import { Value } from "./json.ts";
import { type DType, dtypeSizes, dtypes, elements, safetensorsDTypes, type Tensor } from "./tensor.ts";

const headerLimit = 100 << 20; // the format's own limit

/**
 * Returns the tensors of a file, in the order of their bytes. Every size is checked against the file before use; the
 * data are views of the file's bytes, not copies.
 */
export function readSafetensors(file: Uint8Array<ArrayBuffer>, path: string): Tensor[] {
  const whole = new Value(path, undefined);
  if (file.length < 8) throw whole.invalid(`it has ${file.length} bytes; a header needs at least 8`);
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  if (length > BigInt(Math.min(file.length - 8, headerLimit))) {
    throw whole.invalid(`its header claims ${length} bytes, the file has ${file.length}`);
  }
  const start = 8 + Number(length);
  const header = Value.parse(path, file.subarray(8, start));
  const body = file.subarray(start);

  const tensors = header
    .entries()
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => readEntry(name, entry, body))
    .sort((a, b) => a.data.byteOffset - b.data.byteOffset || a.data.length - b.data.length);

  let end = 0;
  for (const t of tensors) {
    const begin = t.data.byteOffset - body.byteOffset;
    if (begin !== end) throw whole.invalid(`${t.name} begins at byte ${begin} of the data, ${end} is expected`);
    end += t.data.length;
  }
  if (end !== body.length) throw whole.invalid(`${body.length - end} bytes of data belong to no tensor`);
  return tensors;
}

function readEntry(name: string, entry: Value, body: Uint8Array<ArrayBuffer>): Tensor {
  const written = entry.at("dtype").string();
  const dtype = dtypes.find((d: DType) => safetensorsDTypes[d] === written);
  if (dtype === undefined) throw entry.at("dtype").invalid(`${JSON.stringify(written)} is not a dtype in use here`);
  const shape = entry
    .at("shape")
    .elements()
    .map((d) => d.integer());
  const [begin, end, ...more] = entry
    .at("data_offsets")
    .elements()
    .map((o) => o.integer(0, body.length));
  if (begin === undefined || end === undefined || more.length > 0) {
    throw entry.at("data_offsets").invalid("two offsets are needed");
  }
  const size = elements(shape) * dtypeSizes[dtype];
  if (end - begin !== size) throw entry.invalid(`it spans ${end - begin} bytes, its shape needs ${size}`);
  return { name, dtype, shape, data: body.subarray(begin, end) };
}

/** dtypes as the format's list has them, the last first: files begin with what needs the largest alignment. */
const fileOrder: readonly DType[] = ["i64", "f64", "f32", "u32", "i32", "u16", "i16", "i8", "u8"];

/** Writes tensors to the one file that they have: by dtype, then by name; the header padded with spaces. */
export function writeSafetensors(tensors: readonly Tensor[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const sorted = tensors
    .map((t) => ({ ...t, order: fileOrder.indexOf(t.dtype) }))
    .sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1));
  let size = 0;
  const entries = sorted.map((t) => {
    const begin = size;
    size += t.data.length;
    const entry = { dtype: safetensorsDTypes[t.dtype], shape: t.shape, data_offsets: [begin, size] };
    return `${JSON.stringify(t.name)}:${JSON.stringify(entry)}`;
  });
  const header = encoder.encode(`{${entries.join(",")}}`);
  const start = 8 + Math.ceil(header.length / 8) * 8;
  const file = new Uint8Array(start + size).fill(0x20, 8, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  file.set(header, 8);
  let at = start;
  for (const t of sorted) {
    file.set(t.data, at);
    at += t.data.length;
  }
  return file;
}
