import "./text.css";

interface Props {
  readonly children: string;
  /** Longest text that is shown, in characters. */
  readonly max?: number;
}

/** Text of a stranger: its direction stays its own, and so does its length. */
export function Text({ children, max = 300 }: Props) {
  return <bdi className="text">{clip(children, max)}</bdi>;
}

/** The text, or its beginning and an ellipsis. Never cuts a character in two. */
export function clip(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${Array.from(text.slice(0, max * 2))
    .slice(0, max - 1)
    .join("")}…`;
}
