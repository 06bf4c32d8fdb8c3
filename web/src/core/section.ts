// The custom section "reprise.engine": what an engine says about itself, checked so far that no later access can miss.

import type * as schema from "../gen/schema.ts";
import { Failure } from "./failure.ts";
import { Value } from "./json.ts";
import { dtypeSizes, dtypes, elements } from "./tensor.ts";
import { memories, sectionId, sections } from "./wasm.ts";

export const abi = 1;
const sectionName = "reprise.engine";
const pageSize = 65536;
/** What a browser on a telephone may still give. */
const largestMemory = 1 << 30;

export type Region = schema.EngineSection["regions"][string];
export type TensorEntry = schema.EngineSectionTensor;
export type Segment = schema.EngineSection["segments"][number];

/** What a host uses of an engine's section. */
export type EngineSection = Pick<
  schema.EngineSection,
  "capacity" | "maxMicrobatches" | "parameters" | "state" | "hyperparameters" | "segments" | "metrics" | "errors"
> & { readonly regions: Readonly<Record<RegionName, Region>> };

/** The regions that every engine has, with the alignment in bytes that their views need. */
const regionAlignment = {
  indices: 4,
  input: 1,
  target: 1,
  accumulators: 1,
  metrics: 8,
  output: 4,
} as const;

export type RegionName = keyof typeof regionAlignment;

/**
 * Checks a module against what ABI 1 asks of its form (nothing imported, no start function, one fixed private memory)
 * and returns its section, every offset of which lies in that memory. What the code does is not judged here: in a
 * browser the sandbox and a deadline do that.
 */
export function readEngineSection(module: Uint8Array<ArrayBuffer>, path: string): EngineSection {
  const invalid = (problem: string) => new Failure("invalid", `${path}: ${problem}`);
  const found = sections(module, path);
  if (found.some((s) => s.id === sectionId.import && s.content[0] !== 0)) throw invalid("an engine imports nothing");
  if (found.some((s) => s.id === sectionId.start)) throw invalid("an engine has no start function");

  const [memory, ...more] = found.filter((s) => s.id === sectionId.memory).flatMap((s) => memories(s.content, path));
  if (memory === undefined || more.length > 0) throw invalid("an engine has one memory");
  if (memory.min !== memory.max || memory.shared) throw invalid("an engine's memory is private and fixed (min = max)");

  if (memory.min * pageSize > largestMemory) {
    throw invalid(`its memory of ${memory.min} pages exceeds ${largestMemory / pageSize}`);
  }

  const own = found.filter((s) => s.id === sectionId.custom && s.name === sectionName);
  const [section] = own;
  if (section === undefined || own.length > 1) throw invalid(`it needs one custom section "${sectionName}"`);
  return parse(Value.parse(`${path}: ${sectionName}`, section.content), memory.min * pageSize);
}

function parse(v: Value, memory: number): EngineSection {
  const version = v.at("abi").integer();
  if (version !== abi) throw v.at("abi").invalid(`this host runs engines of ABI ${abi}, not ${version}`);
  const regions = Object.fromEntries(
    (Object.keys(regionAlignment) as RegionName[]).map((name) => [
      name,
      region(v.at("regions").at(name), regionAlignment[name], memory),
    ]),
  ) as Record<RegionName, Region>;
  const tensors = (key: string) => list(v, key, (t) => tensor(t, memory));
  return {
    capacity: v.at("capacity").integer(1, regions.indices.size / 4),
    maxMicrobatches: v.at("maxMicrobatches").integer(1),
    regions,
    parameters: tensors("parameters"),
    state: tensors("state"),
    hyperparameters: list(v, "hyperparameters", (h) => ({
      name: h.at("name").string(),
      type: h.at("type").oneOf("f32"),
      default: h.at("default").number(),
      min: h.at("min").number(),
      max: h.at("max").number(),
      offset: inside(h, 4, 4, 0, memory),
    })),
    segments: list(v, "segments", (s) => segment(s, regions.accumulators)),
    metrics: list(v, "metrics", (m) => m.string()),
    errors: list(v, "errors", (e) => e.string()),
  };
}

/** A list that may be absent or null, as an encoder writes an empty one. */
function list<T>(v: Value, key: string, read: (element: Value) => T): T[] {
  const value = v.optional(key);
  return value === undefined || value.raw === null ? [] : value.elements().map(read);
}

function shape(v: Value): number[] {
  return list(v, "shape", (d) => d.integer());
}

function region(v: Value, alignment: number, memory: number): Region {
  const size = v.at("size").integer();
  return {
    offset: inside(v, size, alignment, 0, memory),
    size,
    dtype: v.at("dtype").oneOf(...dtypes),
    shape: shape(v),
  };
}

function tensor(v: Value, memory: number): TensorEntry {
  const dtype = v.at("dtype").oneOf("f32", "i32", "i64");
  const dimensions = shape(v);
  const size = elements(dimensions) * dtypeSizes[dtype];
  return { name: v.at("name").string(), dtype, shape: dimensions, offset: inside(v, size, 1, 0, memory) };
}

function segment(v: Value, accumulators: Region): Segment {
  const type = v.at("type").oneOf("i32", "i64");
  const count = v.at("count").integer();
  const width = dtypeSizes[type];
  const { offset: low, size } = accumulators;
  const offset = inside(v, count * width, width, low, low + size);
  // Accumulators are merged in copies of the region, where the same alignment is needed.
  if ((offset - low) % width !== 0) throw v.invalid(`it is not aligned within the region of accumulators`);
  return { name: v.at("name").string(), type, combine: v.at("combine").oneOf("add", "max"), count, offset };
}

/** Reads v.offset: aligned, and size bytes from there lie between low and high. */
function inside(v: Value, size: number, alignment: number, low: number, high: number): number {
  const offset = v.at("offset").integer();
  if (offset < low || offset + size > high) {
    throw v.invalid(`bytes ${offset} to ${offset + size} lie outside ${low} to ${high}`);
  }
  if (offset % alignment !== 0) throw v.invalid(`its offset ${offset} is not a multiple of ${alignment}`);
  return offset;
}
