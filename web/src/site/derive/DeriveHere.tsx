import { useEffect, useState } from "react";
import type { ClosureDetail } from "../api/types.ts";
import { bytes } from "../state/format.ts";
import { Badge } from "../ui/Badge.tsx";
import { Button } from "../ui/Button.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Progress } from "../ui/Progress.tsx";
import { Text } from "../ui/Text.tsx";
import { compilerBytes, derive } from "./derive.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

type State = { readonly loaded: number } | { readonly verdict: Verdict } | { readonly failure: string } | undefined;

const badges: Readonly<Record<Verdict["kind"], { label: string; tone: "good" | "warn" | "bad" }>> = {
  derived: { label: "Derived in this tab", tone: "good" },
  "other-compiler": { label: "Other compiler", tone: "warn" },
  foreign: { label: "Foreign engine", tone: "warn" },
  differs: { label: "Not derived", tone: "bad" },
};

function spawn(): Worker {
  return new Worker(new URL("./entry.ts", import.meta.url), { type: "module", name: "compiler" });
}

/** Lets the visitor's own tab compile the specification, who need not believe the server. */
export function DeriveHere({ detail }: { readonly detail: ClosureDetail }) {
  const { digest } = detail.reference;
  const [state, setState] = useState<State>();
  const [stop, setStop] = useState<AbortController>();
  useEffect(() => () => stop?.abort(), [stop]);
  if (compilerBytes === 0) return null;

  const start = () => {
    const abort = new AbortController();
    const tell = (next: State) => abort.signal.aborted || setState(next);
    setStop(abort);
    setState({ loaded: 0 });
    const at = (path: string) => new URL(path, location.href).href;
    const request = { closure: digest, blobs: at("/blobs/"), compiler: at("/compiler/") };
    derive(request, spawn(), (loaded) => tell({ loaded }), abort.signal).then(
      (answer) => tell({ verdict: verdictOf(answer) }),
      (error: unknown) => tell({ failure: error instanceof Error ? error.message : String(error) }),
    );
  };
  return (
    <div className="stack derive">
      {state === undefined || "failure" in state ? (
        <p className="row">
          <Button onClick={start}>Derive it in this tab</Button>
          <span className="soft">The compiler is {bytes(compilerBytes)}.</span>
        </p>
      ) : null}
      {state && "loaded" in state && (
        <Progress
          label="The compiler"
          value={Math.min(state.loaded, compilerBytes)}
          max={compilerBytes}
          text={state.loaded < compilerBytes ? `${bytes(state.loaded)} of ${bytes(compilerBytes)}` : "compiling …"}
        />
      )}
      <div role="status">
        {state && "failure" in state && <p>It could not be found out here: {state.failure}</p>}
        {state && "verdict" in state && (
          <div className="stack" data-derived={state.verdict.kind}>
            <Badge tone={badges[state.verdict.kind].tone}>{badges[state.verdict.kind].label}</Badge>
            <p>
              <Text max={400}>{state.verdict.text}</Text>
            </p>
            {state.verdict.made && <Digest digest={state.verdict.made} picture />}
          </div>
        )}
      </div>
    </div>
  );
}
