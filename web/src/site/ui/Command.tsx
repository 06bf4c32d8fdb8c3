import { Fragment, type ReactNode } from "react";
import { Copy } from "./Copy.tsx";
import "./command.css";

interface Props {
  readonly text: string;
  /** What is copied, as in "Copy the command". */
  readonly what?: string;
}

/** Text to take along: a command line, or a citation of several lines. */
export function Command({ text, what = "the command" }: Props) {
  return (
    <div className="command">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable from the keyboard. */}
      <pre tabIndex={0}>{text.includes("\n") ? text : words(text)}</pre>
      <Copy text={text} what={what} />
    </div>
  );
}

/** The words of a command line: it breaks between them, and not at the hyphens in them. */
function words(text: string): ReactNode {
  return text.split(" ").map((word, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the words of a fixed text have no other names.
    <Fragment key={i}>
      {i > 0 && " "}
      <span className="command-word">{word}</span>
    </Fragment>
  ));
}
