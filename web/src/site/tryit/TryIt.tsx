import { useEffect, useMemo, useState } from "react";
import { Failure } from "../../core/failure.ts";
import { isClass } from "../../core/records.ts";
import { missingFeatures } from "../../core/support.ts";
import { encodeFailure, type FailureData } from "../../worker/protocol.ts";
import type { ClosureDetail } from "../api/types.ts";
import { FailureNote } from "../reproduce/FailureNote.tsx";
import { isPicture } from "../reproduce/protocol.ts";
import { bytes } from "../state/format.ts";
import { Button } from "../ui/Button.tsx";
import { Card } from "../ui/Card.tsx";
import { type Model, openModel } from "./model.ts";
import { PictureInput } from "./PictureInput.tsx";
import { TableInput } from "./TableInput.tsx";
import "./tryit.css";

/** Lets a visitor ask the archived model something of their own. */
export default function TryIt({ closure }: { readonly closure: ClosureDetail }) {
  const missing = useMemo(missingFeatures, []);
  return (
    <Card title="Try it" aside={<span className="soft">the archived parameters, in this browser</span>}>
      {missing.length > 0 ? (
        <p>This browser cannot run the closure's engine: {missing.join("; ")}.</p>
      ) : (
        <Trial closure={closure} key={closure.reference.digest} />
      )}
    </Card>
  );
}

type State =
  | { readonly state: "ready" | "opening" }
  | { readonly state: "open"; readonly model: Model }
  | { readonly state: "failed"; readonly failure: FailureData };

function Trial({ closure }: { readonly closure: ClosureDetail }) {
  const [trial, setTrial] = useState<State>({ state: "ready" });
  const model = trial.state === "open" ? trial.model : undefined;
  useEffect(() => () => model?.close(), [model]);

  const open = () => {
    setTrial({ state: "opening" });
    openModel(new URL("/blobs/", location.href).href, closure.reference.digest).then(
      (opened) => setTrial({ state: "open", model: opened }),
      (thrown: unknown) => setTrial({ state: "failed", failure: encodeFailure(thrown) }),
    );
  };
  if (trial.state === "failed") {
    return (
      <FailureNote failure={trial.failure}>
        <Button onClick={open}>Try again</Button>
      </FailureNote>
    );
  }
  if (model === undefined) {
    const size = closure.closure.files
      .filter((f) => f.role === "engine" || f.role === "parameters" || f.role === "state")
      .reduce((sum, f) => sum + f.size, 0);
    return (
      <div className="row">
        <Button kind="primary" onClick={open} disabled={trial.state === "opening"}>
          {trial.state === "opening" ? "Loading …" : `Load the model (${bytes(size)})`}
        </Button>
        <span className="soft">Nothing that you try it on leaves this browser.</span>
      </div>
    );
  }
  const { loss } = closure.closure.model;
  const named = typeof loss === "object" ? Object.keys(loss)[0] : loss;
  const probabilities = isClass(model.records.layout.target) && !withoutProbabilities.has(named ?? "");
  return <Asking model={model} probabilities={probabilities} />;
}

/** Losses whose models predict other numbers than probabilities. */
const withoutProbabilities = new Set(["mean-squared-error", "mean-absolute-error", "huber", "log-cosh", "hinge"]);

/** The form that suits a model's input. */
export function Asking({ model, probabilities }: { readonly model: Model; readonly probabilities: boolean }) {
  const { input } = model.records.layout;
  const [failure, setFailure] = useState<FailureData>();
  const fail = (thrown: unknown) => setFailure(encodeFailure(thrown));
  if (failure) return <FailureNote failure={failure} />;
  if (isPicture(input)) return <PictureInput model={model} probabilities={probabilities} onFailure={fail} />;
  if (input.dtype === "f32" && input.shape.length === 1 && (input.shape[0] as number) <= mostFeatures) {
    return <TableInput model={model} probabilities={probabilities} onFailure={fail} />;
  }
  return (
    <FailureNote
      failure={encodeFailure(
        new Failure(
          "unsupported",
          `This model reads ${input.dtype} [${input.shape}], for which there is no form here; reprise predict takes files of it`,
        ),
      )}
    />
  );
}

/** More sliders than this are no form. */
const mostFeatures = 128;
