// The most that f32x4 multiplications and additions reach in this browser, by the module that make bench uses.

let run;

export async function measurePeak(passes) {
  if (run === undefined) {
    const { instance } = await WebAssembly.instantiateStreaming(fetch("/peak.wasm"));
    run = instance.exports.run;
    for (let i = 0; i < 20; i++) run(passes / 20); // until it is compiled
  }
  const begin = performance.now();
  run(passes);
  return { seconds: (performance.now() - begin) / 1000 };
}
