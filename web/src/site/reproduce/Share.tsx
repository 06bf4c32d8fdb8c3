import { useMemo, useState } from "react";
import { ApiFailure } from "../api/failure.ts";
import type { ClosureDetail, DerivationAnswer } from "../api/types.ts";
import { useSite } from "../state/react.ts";
import { Button } from "../ui/Button.tsx";
import { Card } from "../ui/Card.tsx";
import { Digest } from "../ui/Digest.tsx";
import type { Outcome } from "./protocol.ts";
import { markdown, report, verificationRequest } from "./report.ts";
import { describeAgent } from "./runtime.ts";

interface Props {
  readonly closure: ClosureDetail;
  readonly outcome: Outcome;
  readonly derivation: DerivationAnswer;
  readonly workers: number;
}

type Sending =
  | { readonly state: "ready" | "sending" }
  | { readonly state: "sent"; readonly digest: string }
  | { readonly state: "failed"; readonly why: string };

/** The report, to take away or to leave. */
export function Share({ closure, outcome, derivation, workers }: Props) {
  const { api } = useSite();
  const [copied, setCopied] = useState("");
  const [sending, setSending] = useState<Sending>({ state: "ready" });
  const full = useMemo(
    () =>
      report(outcome, {
        closure: closure.reference,
        derivation,
        runtime: { ...describeAgent(navigator.userAgent), workers },
        made: new Date(),
      }),
    [outcome, closure, derivation, workers],
  );
  const { name, digest } = closure.reference;
  const permalink = new URL(`/c/${name}@${digest}`, location.href).href;
  const request = verificationRequest(full);
  const send = () => {
    if (request === undefined) return;
    setSending({ state: "sending" });
    api.verifications(request).then(
      (receipt) => setSending({ state: "sent", digest: receipt.digest }),
      (thrown: unknown) => setSending({ state: "failed", why: explain(thrown) }),
    );
  };
  const copy = () => {
    // Without a secure context there is no clipboard at all.
    const done = navigator.clipboard?.writeText(markdown(full, permalink)) ?? Promise.reject(new Error("no clipboard"));
    done.then(
      () => setCopied("Copied."),
      () => setCopied("The browser did not allow to copy. Download the report instead."),
    );
  };
  return (
    <Card title="Report" level={3}>
      <p className="soft">
        Take it with you, or leave it with this zoo. A report from a browser is <strong>unsigned</strong>: the zoo
        counts it apart from signed ones and builds nothing on it.
      </p>
      <div className="row">
        <Button
          onClick={() => download(`${name.replaceAll("/", "-")}-${full.mode}.json`, JSON.stringify(full, null, 2))}
        >
          Download JSON
        </Button>
        <Button onClick={copy}>Copy as Markdown</Button>
        <Button
          onClick={send}
          disabled={request === undefined || sending.state === "sending" || sending.state === "sent"}
        >
          Send to the zoo, unsigned
        </Button>
      </div>
      <div role="status">
        {copied !== "" && <p>{copied}</p>}
        {sending.state === "sent" && (
          <p>
            Received as an unsigned record: <Digest digest={sending.digest} short />
          </p>
        )}
        {sending.state === "failed" && <p>Not sent: {sending.why}</p>}
      </div>
    </Card>
  );
}

function explain(thrown: unknown): string {
  return thrown instanceof ApiFailure ? `${thrown.message} ${thrown.hint}` : String(thrown);
}

function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The download has begun by the next turn at the latest.
  setTimeout(() => URL.revokeObjectURL(address), 0);
}
