import type { ReactNode } from "react";
import "./figure.css";

interface Props {
  readonly caption?: ReactNode;
  readonly children: ReactNode;
}

/** A picture or chart with its caption below. */
export function Figure({ caption, children }: Props) {
  return (
    <figure className="figure">
      {children}
      {caption !== undefined && <figcaption>{caption}</figcaption>}
    </figure>
  );
}
