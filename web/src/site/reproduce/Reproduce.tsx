import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { missingFeatures } from "../../core/support.ts";
import { defaultDeadline } from "../../worker/remote.ts";
import { ApiFailure } from "../api/failure.ts";
import type { ClosureDetail, DerivationAnswer } from "../api/types.ts";
import { useSite } from "../state/react.ts";
import { Button } from "../ui/Button.tsx";
import { Card } from "../ui/Card.tsx";
import { Controls } from "./Controls.tsx";
import { Controller } from "./controller.ts";
import { FailureNote } from "./FailureNote.tsx";
import { isActive } from "./job.ts";
import { ReplayProgress } from "./ReplayProgress.tsx";
import { Result, VerdictPanel } from "./Result.tsx";
import { defaultWorkers } from "./runtime.ts";
import "./reproduce.css";

/** Recomputes a closure's claims, or its whole training, in the visitor's browser. */
export default function Reproduce({ closure }: { readonly closure: ClosureDetail }) {
  const missing = useMemo(missingFeatures, []);
  if (missing.length === 0) return <Workbench closure={closure} key={closure.reference.digest} />;
  return (
    <Card title="Reproduce">
      <p>This browser cannot run the closure's engine:</p>
      <ul>
        {missing.map((m) => (
          <li key={m}>{m}.</li>
        ))}
      </ul>
      <p>
        A current Chrome, Edge, Firefox or Safari can, and so can the command line:{" "}
        <code>reprise verify {closure.reference.name}</code>.
      </p>
    </Card>
  );
}

function spawn(): Worker {
  return new Worker(new URL("./entry.ts", import.meta.url), { type: "module", name: "reproduce" });
}

function nextFrame(callback: () => void): void {
  requestAnimationFrame(callback);
}

function Workbench({ closure }: { readonly closure: ClosureDetail }) {
  const { digest, name } = closure.reference;
  const [controller] = useState(() => new Controller({ spawn, nextFrame, deadline: defaultDeadline }));
  const job = useSyncExternalStore(controller.subscribe, controller.job);
  const [workers, setWorkers] = useState(() => defaultWorkers(navigator.hardwareConcurrency));
  const derivation = useDerivation(`${name}@${digest}`, job.status !== "idle");
  useEffect(() => () => controller.stop(), [controller]);

  const start = (mode: "verify" | "replay") =>
    controller.start(mode, digest, new URL("/blobs/", location.href).href, workers);
  return (
    <div className="stack reproduce">
      <Controls
        closure={closure}
        job={job}
        workers={workers}
        onWorkers={setWorkers}
        onStart={start}
        onPause={() => controller.pause()}
        onResume={() => controller.resume()}
        onStop={() => controller.stop()}
      />
      {job.status === "failed" && job.failure && (
        <FailureNote failure={job.failure}>
          <Button onClick={() => start(job.mode)}>Try again</Button>
        </FailureNote>
      )}
      {!isActive(job) && job.outcome && derivation === undefined && (
        <p role="status">Computed. Waiting for the server's word on where the engine comes from …</p>
      )}
      {job.outcome && derivation && <VerdictPanel outcome={job.outcome} derivation={derivation} />}
      {job.mode === "replay" && job.recorded.length > 0 && (
        <ReplayProgress recorded={job.recorded} live={job.live} checkpoints={job.checkpoints} />
      )}
      {job.outcome && derivation && (
        <Result closure={closure} outcome={job.outcome} derivation={derivation} workers={job.workers} />
      )}
    </div>
  );
}

/** What the server says of the engine's derivation, asked once it is wanted; undefined until it has said something. */
function useDerivation(ref: string, wanted: boolean): DerivationAnswer | undefined {
  const { api } = useSite();
  const [answer, setAnswer] = useState<DerivationAnswer>();
  useEffect(() => {
    if (!wanted) return;
    const abort = new AbortController();
    api.derivation(ref, abort.signal).then(setAnswer, (thrown: unknown) => {
      if (abort.signal.aborted) return;
      const why = thrown instanceof ApiFailure ? thrown.message : String(thrown);
      setAnswer({ derivation: "unchecked", reason: `the server did not say where the engine comes from: ${why}` });
    });
    return () => abort.abort();
  }, [api, ref, wanted]);
  return answer;
}
