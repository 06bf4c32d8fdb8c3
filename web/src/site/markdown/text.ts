/** The address, if following it can do no more than open a page or a letter. */
export function safeLink(address: string): string | undefined {
  let url: URL;
  try {
    url = new URL(decodeEntities(address));
  } catch {
    return undefined; // Relative addresses too: an author's text stands at no address of its own.
  }
  return ["https:", "http:", "mailto:"].includes(url.protocol) ? url.href : undefined;
}

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  ndash: "–",
  mdash: "—",
  hellip: "…",
  times: "×",
};

/** Replaces the character references that texts commonly use. What comes out is shown as text, never read as HTML. */
export function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,8}));/gi, (whole, decimal, hexadecimal, name) => {
    if (name !== undefined) return entities[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
