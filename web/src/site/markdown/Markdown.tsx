// An author's text. It is parsed into tokens and these become elements, one kind at a time: there is no HTML on the way,
// so nothing in the text can become more than what stands here. HTML in it stays visible as text.

import { lexer, type MarkedToken, type Token, type Tokens } from "marked";
import { Fragment, type ReactNode, useMemo } from "react";
import { decodeEntities, safeLink } from "./text.ts";
import "./markdown.css";

/** Longest text that is parsed, in characters. */
const longest = 100_000;
/** Deepest nesting that is shown; deeper parts are left as text. */
const deepest = 12;

interface Props {
  readonly text: string;
  /** A first heading with this text is left out, because it stands above already. */
  readonly title?: string;
}

export function Markdown({ text, title }: Props) {
  const tokens = useMemo(() => parse(text.slice(0, longest), title), [text, title]);
  if (tokens === undefined) return <pre className="markdown">{text.slice(0, longest)}</pre>;
  return (
    <div className="markdown">
      {blocks(tokens, 0)}
      {text.length > longest && <p>(The text goes on; its file has all of it.)</p>}
    </div>
  );
}

function parse(text: string, title: string | undefined): readonly Token[] | undefined {
  try {
    const tokens = lexer(text, { gfm: true });
    const first = tokens[0];
    return first?.type === "heading" && first.text === title ? tokens.slice(1) : tokens;
  } catch {
    return undefined; // Nested beyond what the parser bears: the text is shown as it is.
  }
}

const headings = ["h3", "h4", "h5", "h6"] as const;

/** Where each heading stands, as an index of headings. The outline begins below the page's own headings and descends one level at a time, whatever the author wrote. */
function outline(tokens: readonly Token[]): ReadonlyMap<Token, number> {
  const levels = new Map<Token, number>();
  const open: number[] = [];
  for (const token of tokens) {
    if (token.type !== "heading") continue;
    while (open.length > 0 && (open.at(-1) ?? 0) >= token.depth) open.pop();
    levels.set(token, Math.min(open.length, headings.length - 1));
    open.push(token.depth);
  }
  return levels;
}

function blocks(tokens: readonly Token[], depth: number): ReactNode {
  // Headings inside of lists and quotations are no part of the outline.
  const levels = outline(depth === 0 ? tokens : []);
  // biome-ignore lint/suspicious/noArrayIndexKey: the text is fixed, and its tokens have no other names.
  return tokens.map((token, i) => <Fragment key={i}>{block(token as MarkedToken, depth, levels.get(token))}</Fragment>);
}

function block(token: MarkedToken, depth: number, level?: number): ReactNode {
  if (depth > deepest) return <p>{token.raw}</p>;
  switch (token.type) {
    case "heading": {
      const Heading = headings[level ?? -1] ?? "p";
      return <Heading>{inline(token.tokens, depth)}</Heading>;
    }
    case "paragraph":
      return <p>{inline(token.tokens, depth)}</p>;
    case "text":
      return token.tokens ? inline(token.tokens, depth) : decodeEntities(token.text);
    case "code":
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable from the keyboard.
      return <pre tabIndex={0}>{token.text}</pre>;
    case "blockquote":
      return <blockquote>{blocks(token.tokens, depth + 1)}</blockquote>;
    case "list":
      return list(token, depth);
    case "table":
      return table(token, depth);
    case "hr":
      return <hr />;
    case "html":
      return <p>{token.text}</p>;
    default:
      return null;
  }
}

function list(token: Tokens.List, depth: number): ReactNode {
  const items = token.items.map((item, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the text is fixed, and its tokens have no other names.
    <li key={i}>
      {item.task && <span aria-hidden="true">{item.checked ? "☑ " : "☐ "}</span>}
      {blocks(item.tokens, depth + 1)}
    </li>
  ));
  return token.ordered ? <ol start={token.start || 1}>{items}</ol> : <ul>{items}</ul>;
}

function table(token: Tokens.Table, depth: number): ReactNode {
  const cells = (row: readonly Tokens.TableCell[], Cell: "th" | "td") =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the text is fixed, and its tokens have no other names.
    row.map((cell, i) => <Cell key={i}>{inline(cell.tokens, depth)}</Cell>);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable from the keyboard.
    <div className="markdown-table" tabIndex={0}>
      <table>
        {token.header.some((cell) => cell.text !== "") && (
          <thead>
            <tr>{cells(token.header, "th")}</tr>
          </thead>
        )}
        <tbody>
          {token.rows.map((row, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the text is fixed, and its tokens have no other names.
            <tr key={i}>{cells(row, "td")}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: readonly Token[], depth: number): ReactNode {
  // biome-ignore lint/suspicious/noArrayIndexKey: the text is fixed, and its tokens have no other names.
  return tokens.map((token, i) => <Fragment key={i}>{phrase(token as MarkedToken, depth + 1)}</Fragment>);
}

function phrase(token: MarkedToken, depth: number): ReactNode {
  if (depth > deepest) return token.raw;
  switch (token.type) {
    case "text":
      return token.tokens ? inline(token.tokens, depth) : decodeEntities(token.text);
    case "escape":
      return token.text;
    case "strong":
      return <strong>{inline(token.tokens, depth)}</strong>;
    case "em":
      return <em>{inline(token.tokens, depth)}</em>;
    case "del":
      return <del>{inline(token.tokens, depth)}</del>;
    case "codespan":
      return <code>{token.text}</code>;
    case "br":
      return <br />;
    case "link":
      return link(token.href, inline(token.tokens, depth));
    case "image":
      // Pictures of other servers would tell them who reads; the alternative text leads there instead.
      return link(token.href, token.text || "picture");
    default:
      return token.raw;
  }
}

function link(address: string, content: ReactNode): ReactNode {
  const href = safeLink(address);
  if (href === undefined) return content;
  return (
    <a href={href} rel="nofollow noopener noreferrer ugc">
      {content}
    </a>
  );
}
