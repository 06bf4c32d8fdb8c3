import { afterEach, describe, expect, test, vi } from "vitest";
import { missingFeatures } from "./support.ts";

describe("missingFeatures", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  test("is empty where everything is there", () => {
    expect(missingFeatures()).toEqual([]);
  });

  test.each<[string, () => void, string]>([
    ["WebAssembly", () => vi.stubGlobal("WebAssembly", undefined), "WebAssembly is switched off or absent"],
    ["SIMD", () => vi.stubGlobal("WebAssembly", { validate: () => false }), "WebAssembly has no 128-bit SIMD here"],
    ["64-bit integers", () => vi.stubGlobal("BigInt64Array", undefined), "64-bit integers"],
    ["a secure context", () => vi.stubGlobal("crypto", {}), "the page must be served over https or from localhost"],
    ["module workers", () => vi.stubGlobal("Worker", class {}), "workers cannot be modules in this browser"],
  ])("says what is missing: %s", (_, stub, message) => {
    stub();
    expect(missingFeatures()).toEqual([expect.stringContaining(message)]);
  });

  test("knows module workers by the option that they ask for", () => {
    class ModuleWorker {
      constructor(_: string, options: WorkerOptions) {
        void options.type;
        throw new Error("the address is refused");
      }
    }
    vi.stubGlobal("Worker", ModuleWorker);
    expect(missingFeatures()).toEqual([]);
  });
});
