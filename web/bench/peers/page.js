// What a benchmark calls in a page: window.peer(method, argument) answers JSON. A system is a module whose `open` gives
// { parameters, train(batch), infer(batch), loss() }; all get the same records, u8 as they come and as floats.

import { measurePeak } from "./peak.js";

const distinctBatches = 8;

let system;
let batches = [];
let next = 0;

/** Records of noise around a picture for each class, so that there is something to learn. */
function draw(network) {
  const elements = network.input.reduce((a, b) => a * b);
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const prototypes = Array.from({ length: 10 }, () => Array.from({ length: elements }, random));
  return Array.from({ length: distinctBatches }, () => {
    const labels = Int32Array.from({ length: network.batch }, (_, i) => i % 10);
    const bytes = new Uint8Array(network.batch * elements);
    for (let i = 0; i < bytes.length; i++) {
      const p = prototypes[labels[Math.floor(i / elements)]];
      bytes[i] = Math.floor(255 * 0.5 * (p[i % elements] + random()));
    }
    return { size: network.batch, labels, bytes, values: Float32Array.from(bytes, (b) => b / 255) };
  });
}

const batch = () => batches[next++ % batches.length];

const methods = {
  async open({ module, network, options }) {
    batches = draw(network);
    system = await (await import(module)).open(network, options, batches);
    return { parameters: system.parameters, version: system.version };
  },

  /** Runs n steps and waits until their work is done. */
  async train(n) {
    const begin = performance.now();
    let examples = 0;
    for (let i = 0; i < n; i++) examples += await system.train(batch());
    const loss = await system.loss();
    return { seconds: (performance.now() - begin) / 1000, examples, loss };
  },

  async infer(n) {
    const begin = performance.now();
    let examples = 0;
    for (let i = 0; i < n; i++) {
      const b = batch();
      const scores = await system.infer(b);
      if (scores.length !== 10 * b.size) throw new Error(`${scores.length} scores for ${b.size} examples`);
      examples += b.size;
    }
    return { seconds: (performance.now() - begin) / 1000, examples };
  },

  async peak(passes) {
    return measurePeak(passes);
  },
};

window.peer = async (method, argument) => {
  try {
    return JSON.stringify({ value: await methods[method](argument) });
  } catch (thrown) {
    return JSON.stringify({ failure: String(thrown?.message ?? thrown) });
  }
};
