import type { ButtonHTMLAttributes, ReactNode } from "react";
import "./button.css";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** primary: the one thing to do here; quiet: without a border. */
  readonly kind?: "primary" | "plain" | "quiet";
  readonly children: ReactNode;
}

export function Button({ kind = "plain", className = "", children, ...rest }: Props) {
  return (
    <button type="button" {...rest} className={`button button-${kind} ${className}`}>
      {children}
    </button>
  );
}
