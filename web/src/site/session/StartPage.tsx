import { type FormEvent, useId, useState } from "react";
import { useSite } from "../state/react.ts";
import { sessionPath } from "../state/route.ts";
import { useTitle } from "../state/title.ts";
import { Button } from "../ui/Button.tsx";
import { Card } from "../ui/Card.tsx";
import { Cover } from "../ui/Cover.tsx";
import { Link } from "../ui/Link.tsx";
import { Select } from "../ui/Select.tsx";
import { startSession } from "./client.ts";
import { Field } from "./Field.tsx";
import { keepOwnerSecret, keepServerToken, serverToken } from "./keys.ts";
import { Problem } from "./Problem.tsx";
import { SpecificationField } from "./SpecificationField.tsx";
import type { SessionRequest } from "./types.ts";
import "../pages/closure.css";
import "../reproduce/reproduce.css";
import "./session.css";

type Source = "resume" | "replay" | "specification";

/** What the visitor has filled in. */
interface Form {
  readonly source: Source;
  readonly closure: string;
  readonly steps: string;
  readonly specification: string;
  readonly mode: "fixed" | "timed";
  readonly seconds: string;
  /** Percent. */
  readonly audit: string;
  readonly name: string;
  readonly version: string;
}

const stepLengths = ["1", "2", "5", "10", "15", "30"];

/** Starts a session: from a closure, to go on or to repeat it, or from a specification. */
export default function StartPage({ parameters }: { readonly parameters: URLSearchParams }) {
  const { api, location } = useSite();
  useTitle("Start a session");
  const closure = parameters.get("closure") ?? "";
  const [form, setForm] = useState<Form>({
    source: closure ? "resume" : "specification",
    closure,
    steps: "100",
    specification: "",
    mode: "fixed",
    seconds: "2",
    audit: "5",
    name: "",
    version: "",
  });
  const [token, setToken] = useState(serverToken);
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<unknown>();
  const change = (part: Partial<Form>) => setForm({ ...form, ...part });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSending(true);
    setError(undefined);
    keepServerToken(token);
    startSession(api, requestOf(form), token).then(
      ({ id, owner }) => {
        keepOwnerSecret(id, owner);
        location.go(sessionPath(id));
      },
      (thrown: unknown) => {
        setError(thrown);
        setSending(false);
      },
    );
  };
  return (
    <>
      <Cover className="head">
        <div className="head-words">
          <p className="head-path">
            <Link href="/sessions">Sessions</Link>
          </p>
          <h1>Start a session</h1>
        </div>
      </Cover>
      <form className="page session-form" onSubmit={submit}>
        <Card title="What to train">
          <fieldset className="modes">
            <legend className="hidden-text">Where the training begins</legend>
            <Choice
              name="source"
              value="resume"
              chosen={form.source}
              onChoose={(source) => change({ source })}
              title="Go on with a closure"
            >
              From its last step, as if it had never stopped.
            </Choice>
            <Choice
              name="source"
              value="replay"
              chosen={form.source}
              onChoose={(source) => change({ source })}
              title="Repeat a closure"
            >
              From its seed. The digest at the end must be the published one.
            </Choice>
            <Choice
              name="source"
              value="specification"
              chosen={form.source}
              onChoose={(source) => change({ source })}
              title="A new training"
            >
              From a specification, the text of a <code>closure.yaml</code>.
            </Choice>
          </fieldset>
          {form.source === "specification" ? (
            <SpecificationField
              label="Specification"
              rows={18}
              placeholder={example}
              value={form.specification}
              onChange={(specification) => change({ specification })}
            />
          ) : (
            <div className="fields">
              <Field label="Closure" hint="A name, name:version or name@digest of this zoo.">
                {(id, described) => (
                  <input
                    id={id}
                    aria-describedby={described}
                    required
                    spellCheck={false}
                    autoComplete="off"
                    value={form.closure}
                    onChange={(e) => change({ closure: e.target.value })}
                  />
                )}
              </Field>
              {form.source === "resume" && (
                <Field label="Further steps">
                  {(id) => (
                    <input
                      id={id}
                      type="number"
                      min={1}
                      max={100000000}
                      required
                      value={form.steps}
                      onChange={(e) => change({ steps: e.target.value })}
                    />
                  )}
                </Field>
              )}
            </div>
          )}
        </Card>
        <Card title="How">
          <fieldset className="modes">
            <legend className="hidden-text">What a step is</legend>
            <Choice
              name="mode"
              value="fixed"
              chosen={form.mode}
              onChoose={(mode) => change({ mode })}
              title="Fixed steps"
            >
              A step is always the same work, so the result does not depend on who takes part.
            </Choice>
            <Choice
              name="mode"
              value="timed"
              chosen={form.mode}
              onChoose={(mode) => change({ mode })}
              title="Timed steps"
            >
              A step takes what arrives in its time. The journal records it, and replays.
            </Choice>
          </fieldset>
          {form.mode === "timed" && (
            <Select
              name="seconds"
              label="Length of a step"
              value={form.seconds}
              options={stepLengths.map((s) => ({ value: s, label: s === "1" ? "1 second" : `${s} seconds` }))}
              onChange={(seconds) => change({ seconds })}
            />
          )}
          <details>
            <summary>More</summary>
            <div className="fields">
              <Field
                label="Audited at least, in percent"
                hint="The share of a trusted participant's results that others repeat."
              >
                {(id, described) => (
                  <input
                    id={id}
                    aria-describedby={described}
                    type="number"
                    min={0}
                    max={100}
                    step="any"
                    required
                    value={form.audit}
                    onChange={(e) => change({ audit: e.target.value })}
                  />
                )}
              </Field>
              <Field label="Name of the result" hint="Empty: as the closure or specification says.">
                {(id, described) => (
                  <input
                    id={id}
                    aria-describedby={described}
                    autoComplete="off"
                    value={form.name}
                    onChange={(e) => change({ name: e.target.value })}
                  />
                )}
              </Field>
              <Field
                label="Version of the result"
                hint="Empty: as the specification says, or a new one of the closure's."
              >
                {(id, described) => (
                  <input
                    id={id}
                    aria-describedby={described}
                    autoComplete="off"
                    value={form.version}
                    onChange={(e) => change({ version: e.target.value })}
                  />
                )}
              </Field>
              <Field label="Token" hint="Where this server lets only some people start sessions. It stays in this tab.">
                {(id, described) => (
                  <input
                    id={id}
                    aria-describedby={described}
                    type="password"
                    autoComplete="off"
                    value={token}
                    onChange={(e) => setToken(e.target.value)}
                  />
                )}
              </Field>
            </div>
          </details>
        </Card>
        {error !== undefined && <Problem error={error} what="The session was not started" />}
        <p className="row">
          <Button kind="primary" type="submit" disabled={sending}>
            {sending ? "Starting …" : "Start"}
          </Button>
          <span className="soft">Its link can be given to anybody who wants to take part.</span>
        </p>
      </form>
    </>
  );
}

/** What is asked of the server. */
export function requestOf(form: Form): SessionRequest {
  return {
    ...(form.source === "specification"
      ? { specification: form.specification }
      : { closure: form.closure.trim(), ...(form.source === "resume" && { steps: Number(form.steps) }) }),
    mode: form.mode,
    ...(form.mode === "timed" && { seconds: Number(form.seconds) }),
    audit: Number(form.audit) / 100,
    ...(form.name.trim() && { name: form.name.trim() }),
    ...(form.version.trim() && { version: form.version.trim() }),
  };
}

interface ChoiceProps<T extends string> {
  readonly name: string;
  readonly value: T;
  readonly chosen: T;
  readonly onChoose: (value: T) => void;
  readonly title: string;
  readonly children: React.ReactNode;
}

function Choice<T extends string>({ name, value, chosen, onChoose, title, children }: ChoiceProps<T>) {
  const id = useId();
  return (
    <label className="mode" htmlFor={id}>
      <input
        id={id}
        type="radio"
        name={name}
        value={value}
        checked={value === chosen}
        onChange={() => onChoose(value)}
      />
      <span>
        <span className="mode-title">{title}</span>
        <span className="mode-text soft">{children}</span>
      </span>
    </label>
  );
}

const example = `name: my-network
version: 1.0.0
title: What it is
license: Apache-2.0
task: image-classification
model:
  input: {shape: [28, 28, 1], dtype: u8, normalize: {scale: 0.00392156862745098}}
  layers:
    - conv2d: {filters: 16, kernel: 5, activation: relu}
    - maxpool2d: {size: 2}
    - flatten: {}
    - dense: {units: 10}
  loss: softmax-cross-entropy
algorithm:
  optimizer: {adagrad: {learningRate: 0.02}}
  microbatchSize: 16
  batchSize: 128
  epochs: 3
  seed: 42
datasets:
  train: {ref: "mnist:1.0.0", split: train}
  test: {ref: "mnist:1.0.0", split: test}`;
