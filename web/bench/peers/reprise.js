// An engine of ours, driven by its ABI alone: what a host does for a step, the copies of records included.

const section = (module, name) =>
  JSON.parse(new TextDecoder().decode(WebAssembly.Module.customSections(module, name)[0]));

export async function open(network, { engine, microbatches, seed }, batches) {
  const module = await WebAssembly.compileStreaming(fetch(engine));
  const { regions, parameters, segments } = section(module, "reprise.engine");
  const { exports } = await WebAssembly.instantiate(module);
  const bytes = (r) => new Uint8Array(exports.memory.buffer, r.offset, r.size);
  const { input, target, accumulators, output } = regions;
  const indices = new Uint32Array(exports.memory.buffer, regions.indices.offset, regions.indices.size / 4);
  const elements = network.input.reduce((a, b) => a * b);
  const records = batches.length * network.batch;
  const check = (status) => {
    if (status !== 0) throw new Error(`status ${status}`);
  };
  // The host finds a record by its index, as it would in a shard.
  const record = (i) => {
    const b = batches[Math.floor(i / network.batch) % batches.length];
    const at = i % network.batch;
    return { bytes: b.bytes.subarray(at * elements, (at + 1) * elements), label: b.labels[at] };
  };
  exports.init(BigInt(seed));
  let step = 0n;
  let loss = Number.NaN;
  return {
    version: "",
    parameters: parameters.reduce((sum, t) => sum + t.shape.reduce((a, b) => a * b, 1), 0),
    train() {
      bytes(accumulators).fill(0);
      let examples = 0;
      for (let m = 0n; m < microbatches; m++) {
        const n = exports.select(step, m, BigInt(records));
        for (let i = 0; i < n; i++) {
          const r = record(indices[i]);
          bytes(input).set(r.bytes, i * elements);
          bytes(target)[i] = r.label;
        }
        check(exports.accumulate(step, m, n));
        examples += n;
      }
      const view = new DataView(exports.memory.buffer);
      const at = (name) => Number(view.getBigInt64(segments.find((s) => s.name === name).offset, true));
      loss = at("loss") / 2 ** 20 / at("examples");
      check(exports.apply(step));
      step++;
      return examples;
    },
    loss: () => loss,
    infer(batch) {
      bytes(input).set(batch.bytes);
      check(exports.predict(batch.size));
      return new Float32Array(exports.memory.buffer, output.offset, 10 * batch.size).slice();
    },
  };
}
