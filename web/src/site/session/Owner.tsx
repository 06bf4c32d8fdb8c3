import { type FormEvent, useState } from "react";
import { useSite } from "../state/react.ts";
import { closurePath } from "../state/route.ts";
import { Button } from "../ui/Button.tsx";
import { Card } from "../ui/Card.tsx";
import { Link } from "../ui/Link.tsx";
import { Text } from "../ui/Text.tsx";
import { commandSession } from "./client.ts";
import { Field } from "./Field.tsx";
import { keepOwnerSecret, ownerSecret } from "./keys.ts";
import { NextEngine } from "./NextEngine.tsx";
import { Problem } from "./Problem.tsx";
import type { SessionCommand, SessionDetail } from "./types.ts";

interface Props {
  readonly detail: SessionDetail;
  /** Takes in what a command answered. */
  readonly onDetail: (detail: SessionDetail) => void;
}

/** What the owner can do. The server judges whether somebody is; this browser knows the sessions that it started. */
export function Owner({ detail, onDetail }: Props) {
  const { api } = useSite();
  const { id, state } = detail;
  const [secret, setSecret] = useState(() => ownerSecret(id));
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState<SessionCommand["command"]>();
  const [error, setError] = useState<{ readonly what: string; readonly error: unknown }>();
  const [said, setSaid] = useState("");
  const [stopping, setStopping] = useState(false);
  const [version, setVersion] = useState("");

  const send = (command: SessionCommand, what: string, done: string) => {
    setBusy(command.command);
    setError(undefined);
    setSaid("");
    commandSession(api, id, command, secret).then(
      (answer) => {
        setBusy(undefined);
        setSaid(done);
        setStopping(false);
        onDetail(answer);
      },
      (thrown: unknown) => {
        setBusy(undefined);
        setError({ what, error: thrown });
      },
    );
  };
  if (!secret) {
    return (
      <Card title="Owner" level={2}>
        <details>
          <summary>I have started this session elsewhere</summary>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              keepOwnerSecret(id, typed.trim());
              setSecret(typed.trim());
            }}
          >
            <Field
              label="Owner's word"
              hint="The command that started it printed it; a token of this server does as well."
            >
              {(field, described) => (
                <input
                  id={field}
                  aria-describedby={described}
                  type="password"
                  autoComplete="off"
                  required
                  value={typed}
                  onChange={(e) => setTyped(e.target.value)}
                />
              )}
            </Field>
            <p>
              <Button type="submit">Use it</Button>
            </p>
          </form>
        </details>
      </Card>
    );
  }
  const running = state === "running" || state === "paused";
  const publishable = state === "finished" || state === "stopped";
  const publish = (event: FormEvent) => {
    event.preventDefault();
    send(
      { command: "publish", ...(version.trim() && { version: version.trim() }) },
      "The closure was not published",
      "Published.",
    );
  };
  return (
    <Card title="Owner" aside={<span className="soft">this browser may steer the session</span>}>
      {running && (
        <div className="row">
          {state === "running" ? (
            <Button
              disabled={busy !== undefined}
              onClick={() => send({ command: "pause" }, "The session was not paused", "Paused.")}
            >
              Pause for all
            </Button>
          ) : (
            <Button
              kind="primary"
              disabled={busy !== undefined}
              onClick={() => send({ command: "resume" }, "The session was not resumed", "Resumed.")}
            >
              Resume
            </Button>
          )}
          {stopping ? (
            <>
              <Button
                disabled={busy !== undefined}
                onClick={() => send({ command: "stop" }, "The session was not stopped", "Stopped.")}
              >
                Stop it for good
              </Button>
              <Button kind="quiet" onClick={() => setStopping(false)}>
                Go on
              </Button>
            </>
          ) : (
            <Button onClick={() => setStopping(true)}>Stop …</Button>
          )}
        </div>
      )}
      {running && detail.hyperparameters.length > 0 && <Rates detail={detail} busy={busy !== undefined} send={send} />}
      {running && (
        <NextEngine next={Math.max(0, detail.step) + 1} last={detail.steps} busy={busy !== undefined} send={send} />
      )}
      {publishable && (
        <form className="stack" onSubmit={publish}>
          <p>
            {state === "finished"
              ? "The training is done and audited. Published, it is a closure like any other: to verify, replay, resume."
              : "The training was stopped. What there is can be published as a closure all the same."}
          </p>
          <Field label="Version" hint={`Empty: ${detail.version}. A version is never published twice.`}>
            {(field, described) => (
              <input
                id={field}
                aria-describedby={described}
                autoComplete="off"
                placeholder={detail.version}
                value={version}
                onChange={(e) => setVersion(e.target.value)}
              />
            )}
          </Field>
          <p>
            <Button kind="primary" type="submit" disabled={busy !== undefined}>
              {busy === "publish" ? "Publishing …" : "Publish the closure"}
            </Button>
          </p>
        </form>
      )}
      {state === "finishing" && <p>The last steps are being audited. Then it can be published.</p>}
      {detail.closure && (
        <p>
          Published as{" "}
          <Link href={closurePath(detail.closure)}>
            <Text max={160}>{detail.closure}</Text>
          </Link>
          .
        </p>
      )}
      {error && <Problem what={error.what} error={error.error} />}
      <p role="status" className="soft">
        {busy ? "The server is asked …" : said}
      </p>
    </Card>
  );
}

interface RatesProps {
  readonly detail: SessionDetail;
  readonly busy: boolean;
  readonly send: (command: SessionCommand, what: string, done: string) => void;
}

/** Changes a hyper-parameter, from the next step on. */
function Rates({ detail, busy, send }: RatesProps) {
  const [name, setName] = useState(detail.hyperparameters[0]?.name ?? "");
  const [value, setValue] = useState("");
  const chosen = detail.hyperparameters.find((h) => h.name === name) ?? detail.hyperparameters[0];
  if (chosen === undefined) return null;
  return (
    <form
      className="rates"
      onSubmit={(event) => {
        event.preventDefault();
        send(
          { command: "set", name: chosen.name, value: Number(value) },
          `${chosen.name} was not changed`,
          `${chosen.name} is ${value} from the next step on.`,
        );
      }}
    >
      <Field label="Hyper-parameter">
        {(id) => (
          <select id={id} value={chosen.name} onChange={(e) => setName(e.target.value)}>
            {detail.hyperparameters.map((h) => (
              <option key={h.name} value={h.name}>
                {h.name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={`Value (now ${chosen.default})`}>
        {(id) => (
          <input
            id={id}
            type="number"
            step="any"
            min={chosen.min}
            max={chosen.max}
            required
            value={value}
            onChange={(e) => setValue(e.target.value)}
          />
        )}
      </Field>
      <Button type="submit" disabled={busy}>
        Change it
      </Button>
    </form>
  );
}
