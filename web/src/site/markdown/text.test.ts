import { expect, test } from "vitest";
import { decodeEntities, safeLink } from "./text.ts";

test.each([
  ["https://example.org/a?b=1&amp;c=2", "https://example.org/a?b=1&c=2"],
  ["http://example.org", "http://example.org/"],
  ["mailto:a@example.org", "mailto:a@example.org"],
])("%s may be followed", (address, want) => expect(safeLink(address)).toBe(want));

test.each([
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  "java\nscript:alert(1)",
  "&#106;avascript:alert(1)",
  " javascript:alert(1)",
  "data:text/html,<script>1</script>",
  "blob:https://example.org/x",
  "file:///etc/passwd",
  "/relative",
  "//example.org",
  "#anchor",
  "",
])("%j may not", (address) => expect(safeLink(address)).toBeUndefined());

test("character references", () => {
  expect(decodeEntities("&lt;b&gt; &#60;&#x3E; &amp;lt; &nosuch; &#0; &#x110000;")).toBe(
    "<b> <> &lt; &nosuch; &#0; &#x110000;",
  );
});
