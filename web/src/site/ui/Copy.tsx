import { useEffect, useState } from "react";
import { Button } from "./Button.tsx";
import "./copy.css";

interface Props {
  readonly text: string;
  /** What is copied, as in "Copy the digest". */
  readonly what: string;
}

/** How long the button says that it has copied, in milliseconds. */
const thanks = 2000;

export function Copy({ text, what }: Props) {
  const [state, setState] = useState<"ready" | "copied" | "failed">("ready");
  useEffect(() => {
    if (state === "ready") return;
    const timer = setTimeout(() => setState("ready"), thanks);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = () => {
    // Without a secure context there is no clipboard at all.
    const done = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("no clipboard"));
    done.then(
      () => setState("copied"),
      () => setState("failed"),
    );
  };
  return (
    <Button kind="quiet" className="copy" onClick={copy} aria-label={`Copy ${what}`}>
      <span aria-live="polite">{state === "ready" ? "Copy" : state === "copied" ? "Copied" : "Not allowed"}</span>
    </Button>
  );
}
