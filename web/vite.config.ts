import { defineConfig } from "vite";

// The test page is a page of the site like any other, so that what is tested is what is served.
export default defineConfig({
  base: "./",
  worker: { format: "es" },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { testpage: "testpage.html" } },
  },
});
