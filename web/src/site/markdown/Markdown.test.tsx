// @vitest-environment jsdom

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { hostileReadme } from "../../../fixtures/site.ts";
import { Markdown } from "./Markdown.tsx";

function render(text: string, title?: string): HTMLElement {
  const element = document.createElement("div");
  element.innerHTML = renderToStaticMarkup(<Markdown text={text} {...(title !== undefined && { title })} />);
  return element;
}

test.each([
  ["emphasis", "a **b** *c* ~~d~~ `e`", "<p>a <strong>b</strong> <em>c</em> <del>d</del> <code>e</code></p>"],
  ["a list", "3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'],
  ["a quotation", "> a", "<blockquote><p>a</p></blockquote>"],
  ["code", "    a < b", '<pre tabindex="0">a &lt; b</pre>'],
  ["character references", "a &amp; b &copy", "<p>a &amp; b &amp;copy</p>"],
  ["a link", "[a](https://example.org)", '<a href="https://example.org/" rel="nofollow noopener noreferrer ugc">a</a>'],
  ["a picture becomes a link", "![a](https://example.org/p.png)", ">a</a>"],
  ["a link that runs is its text", "[a](javascript:b)", "<p>a</p>"],
  ["HTML is text", "<b>a</b>", "&lt;b&gt;a&lt;/b&gt;"],
  ["a table", "| a |\n|---|\n| b |", "<thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody>"],
  ["a table without a head", "| | |\n|---|---|\n| a | b |", "<table><tbody><tr><td>a</td><td>b</td></tr></tbody>"],
])("%s", (_, text, want) => expect(render(text).innerHTML).toContain(want));

describe("headings", () => {
  test.each([
    ["# a\n## b\n# c", ["H3 a", "H4 b", "H3 c"]],
    ["### a\n###### b\n## c", ["H3 a", "H4 b", "H3 c"]],
  ])("%j descend a level at a time", (text, want) => {
    const found = [...render(text).querySelectorAll("h1,h2,h3,h4,h5,h6")].map((h) => `${h.tagName} ${h.textContent}`);
    expect(found).toEqual(want);
  });

  test("the page's own title is not said twice", () => {
    expect(render("# Title\n\ntext", "Title").querySelector("h3")).toBeNull();
    expect(render("# Title\n\ntext", "Other").querySelector("h3")).not.toBeNull();
  });
});

test("a hostile text becomes nothing but text", () => {
  const element = render(hostileReadme);
  expect(element.querySelectorAll("script, style, iframe, img, [onerror], [style]")).toHaveLength(0);
  expect([...element.querySelectorAll("a")].map((a) => a.href)).toEqual([
    "https://example.org/",
    "https://example.org/pixel.png",
  ]);
});

test.each([
  ["quotations", `${">".repeat(20_000)} a`],
  ["lists", Array.from({ length: 500 }, (_, i) => `${" ".repeat(i * 2)}- a`).join("\n")],
  ["emphasis", "*a **a ".repeat(2000)],
])("%s nested beyond reason are still shown", (_, text) => {
  expect(render(text).textContent).toContain("a");
});

test("a text that never ends does", () => {
  expect(render("word ".repeat(100_000)).textContent?.length).toBeLessThan(101_000);
});
