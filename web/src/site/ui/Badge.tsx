import type { ReactNode } from "react";
import "./badge.css";

interface Props {
  readonly tone?: "neutral" | "good" | "warn" | "bad";
  /** Says more, to pointers only: never the sole place of what matters. */
  readonly title?: string;
  readonly children: ReactNode;
}

export function Badge({ tone = "neutral", title, children }: Props) {
  return (
    <span className={`badge badge-${tone}`} title={title}>
      {children}
    </span>
  );
}
