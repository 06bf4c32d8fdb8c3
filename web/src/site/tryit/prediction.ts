// React's end of asking a model: the newest answer to the newest question.

import { useEffect, useState } from "react";
import { Latest } from "./latest.ts";
import type { Model } from "./model.ts";

/** The outputs for an input; the ones before while they are being computed, undefined while there is no input. */
export function usePrediction(
  model: Model,
  input: Uint8Array<ArrayBuffer> | undefined,
  onFailure: (thrown: unknown) => void,
): Float32Array | undefined {
  const [outputs, setOutputs] = useState<Float32Array>();
  const [latest, setLatest] = useState<Latest<Uint8Array<ArrayBuffer>, Float32Array<ArrayBuffer>>>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a failure ends the trial, whichever render it is told to.
  useEffect(() => {
    const asking = new Latest(model.predict, setOutputs, onFailure);
    setLatest(asking);
    return () => asking.close();
  }, [model]);
  useEffect(() => {
    if (input !== undefined) latest?.put(input);
  }, [latest, input]);
  return input === undefined ? undefined : outputs;
}
