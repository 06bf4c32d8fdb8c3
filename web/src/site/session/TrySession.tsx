import { useEffect, useState } from "react";
import type { ModelData } from "../../worker/participant/protocol.ts";
import { encodeFailure, type FailureData } from "../../worker/protocol.ts";
import { FailureNote } from "../reproduce/FailureNote.tsx";
import type { Model } from "../tryit/model.ts";
import { Asking } from "../tryit/TryIt.tsx";
import { Button } from "../ui/Button.tsx";
import { Loading } from "../ui/Status.tsx";
import { useParticipation } from "./react.ts";

type State =
  | { readonly state: "opening" }
  | { readonly state: "open"; readonly model: Model; readonly probabilities: boolean }
  | { readonly state: "failed"; readonly failure: FailureData };

/** Asks the model of this tab's participant, as it is at the moment of the question. */
export default function TrySession() {
  const { participation } = useParticipation();
  const [trial, setTrial] = useState<State>({ state: "opening" });
  const [attempt, setAttempt] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt asks again.
  useEffect(() => {
    let wanted = true;
    participation.ask({ ask: "model" }).then(
      (reply) => {
        if (!wanted) return;
        const { records, dataset, samples, probabilities } = reply as ModelData;
        const predict: Model["predict"] = async (input) =>
          (await participation.ask({ ask: "predict", input })) as Float32Array<ArrayBuffer>;
        setTrial({ state: "open", model: { records, dataset, samples, predict, close: () => {} }, probabilities });
      },
      (thrown: unknown) => wanted && setTrial({ state: "failed", failure: encodeFailure(thrown) }),
    );
    return () => {
      wanted = false;
    };
  }, [participation, attempt]);
  if (trial.state === "opening") return <Loading what="the model" />;
  if (trial.state === "open") return <Asking model={trial.model} probabilities={trial.probabilities} />;
  return (
    <FailureNote failure={trial.failure}>
      <Button
        onClick={() => {
          setTrial({ state: "opening" });
          setAttempt((n) => n + 1);
        }}
      >
        Try again
      </Button>
    </FailureNote>
  );
}
