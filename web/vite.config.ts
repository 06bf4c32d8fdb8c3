import { statSync } from "node:fs";
import { defineConfig } from "vite";

/** The compiler for visitors' tabs, where make has built it: pages say its size. */
const compiler = statSync("public/compiler/compiler.wasm.gz", { throwIfNoEntry: false });

// The test page is a page of the site like any other, so that what is tested is what is served.
export default defineConfig({
  worker: { format: "es" },
  define: { "import.meta.env.COMPILER_BYTES": String(compiler?.size ?? 0) },
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox121", "safari17.5"], // the first with light-dark()
    // The site's policy lets fonts and scripts come from the server alone, never from data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { site: "index.html", list: "list.html", testpage: "testpage.html" } },
  },
  // For work on the site: npm run dev, beside reprise serve, which draws the lists with the assets that were built into it.
  server: {
    proxy: Object.fromEntries(
      ["/api", "/blobs", "^/(d/?)?(\\?.*)?$", "^/assets/list-"].map((path) => [
        path,
        process.env.REPRISE_SERVER ?? "http://127.0.0.1:8080",
      ]),
    ),
  },
});
