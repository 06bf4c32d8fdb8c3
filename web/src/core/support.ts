// What a browser must have to take part, looked for before anything is fetched.

/** A module with one function that uses a 128-bit vector: () → i32, i32x4.extract_lane 0 (v128.const 0). */
const simdModule = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0, 10, 25, 1, 23, 0, 0xfd, 0x0c, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfd, 0x1b, 0, 0x0b,
]);

/** Says, for people, what this browser lacks; empty if it has everything. */
export function missingFeatures(): string[] {
  const missing: string[] = [];
  if (typeof WebAssembly !== "object") {
    missing.push("WebAssembly is switched off or absent (a lockdown or security mode may do that)");
  } else if (!WebAssembly.validate(simdModule)) {
    missing.push("WebAssembly has no 128-bit SIMD here; Chrome 91, Firefox 89, Safari 16.4 and later have it");
  }
  if (typeof BigInt64Array === "undefined") missing.push("64-bit integers (BigInt64Array) are absent");
  if (globalThis.crypto?.subtle === undefined) {
    missing.push("digests cannot be checked: the page must be served over https or from localhost");
  }
  if (typeof Worker === "function" && !hasModuleWorkers()) missing.push("workers cannot be modules in this browser");
  return missing;
}

/** A browser that knows module workers asks for the option's value; no worker is started, as the address is invalid. */
function hasModuleWorkers(): boolean {
  let asked = false;
  const options = {
    get type(): WorkerType {
      asked = true;
      return "module";
    },
  };
  try {
    new Worker("blob://", options).terminate();
  } catch {
    // The address is refused, after the options were read.
  }
  return asked;
}
