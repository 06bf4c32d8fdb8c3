import { type FormEvent, useState } from "react";
import { Button } from "../ui/Button.tsx";
import { Field } from "./Field.tsx";
import { SpecificationField } from "./SpecificationField.tsx";
import type { SessionCommand } from "./types.ts";

interface Props {
  /** The first step of the new engine, unless another is given. */
  readonly next: number;
  readonly last: number;
  readonly busy: boolean;
  readonly send: (command: SessionCommand, what: string, done: string) => void;
}

/** Goes on with the engine of another specification: for a new class, more data, another optimizer. */
export function NextEngine({ next, last, busy, send }: Props) {
  const [specification, setSpecification] = useState("");
  const [step, setStep] = useState("");
  const change = (event: FormEvent) => {
    event.preventDefault();
    send(
      { command: "engine", specification, ...(step && { step: Number(step) }) },
      "The engine was not changed",
      `Another engine goes on ${step ? `at step ${step}` : "at the next step"}.`,
    );
  };
  return (
    <details>
      <summary>Another class, more data, another optimizer</summary>
      <form className="stack" onSubmit={change}>
        <p>
          The engine of another specification goes on. Tensors of the same name keep what both have room for, the seed
          stays, all else begins anew. Both engines are part of the closure, and a replay changes at the same step.
        </p>
        <Field label="Its file">
          {(id) => (
            <input
              id={id}
              type="file"
              accept=".yaml,.yml,.json"
              onChange={(e) => {
                const file = e.target.files?.[0];
                file?.text().then(setSpecification);
              }}
            />
          )}
        </Field>
        <SpecificationField label="Next specification" rows={8} value={specification} onChange={setSpecification} />
        <Field label="From step" hint="Empty: from the next step on.">
          {(id, described) => (
            <input
              id={id}
              aria-describedby={described}
              type="number"
              min={next}
              max={last}
              placeholder={String(next)}
              value={step}
              onChange={(e) => setStep(e.target.value)}
            />
          )}
        </Field>
        <p>
          <Button type="submit" disabled={busy}>
            Change the engine
          </Button>
        </p>
      </form>
    </details>
  );
}
