import { lazy, Suspense, useState } from "react";
import { messageOf } from "../../core/failure.ts";
import { isOver } from "../../worker/participant/protocol.ts";
import { count } from "../state/format.ts";
import { Boundary } from "../ui/Boundary.tsx";
import { Button } from "../ui/Button.tsx";
import { Card } from "../ui/Card.tsx";
import { Loading } from "../ui/Status.tsx";
import { sessionAddress } from "./client.ts";
import { useParticipation } from "./react.ts";
import type { SessionDetail } from "./types.ts";

const TrySession = lazy(() => import("./TrySession.tsx"));

/** The model of a session that goes on: to take along, to follow, to try. */
export function ModelCard({ detail }: { readonly detail: SessionDetail }) {
  const { session, state, participation } = useParticipation();
  const here = session === detail.id && !isOver(state);
  const follows = here && state.phase === "following";
  const [trying, setTrying] = useState(false);
  const [problem, setProblem] = useState("");
  const running = detail.state === "running" || detail.state === "paused";
  const download = () => {
    setProblem("");
    participation.ask({ ask: "parameters" }).then(
      (file) =>
        save(`${detail.name.replaceAll("/", "-")}-step-${state.step}.safetensors`, file as Uint8Array<ArrayBuffer>),
      (thrown: unknown) => setProblem(messageOf(thrown)),
    );
  };
  return (
    <Card title="The model now">
      <p className="soft">
        {follows
          ? `Here after step ${count(Math.max(0, state.step))}, step by step as it is trained.`
          : "Take along the parameters of the newest checkpoint, or let this browser follow the training and try it."}
      </p>
      <div className="row">
        {follows ? (
          <Button onClick={download}>Download the parameters</Button>
        ) : (
          <a className="button button-plain" href={`${sessionAddress(detail.id)}/parameters`} download>
            Download the parameters
          </a>
        )}
        {running && !here && <Button onClick={() => participation.join(detail.id, "track")}>Follow it here</Button>}
        {here && state.role === "track" && (
          <Button kind="quiet" onClick={() => participation.leave()}>
            Follow no longer
          </Button>
        )}
        {follows && !trying && <Button onClick={() => setTrying(true)}>Try it</Button>}
      </div>
      {here && !follows && (
        <p role="status">{state.retry ? `${state.retry.why}; trying again …` : "Fetching the model …"}</p>
      )}
      {problem && <p role="alert">{problem}</p>}
      {trying && follows && (
        <Boundary>
          <Suspense fallback={<Loading what="what predicts" />}>
            <TrySession key={detail.engine} />
          </Suspense>
        </Boundary>
      )}
    </Card>
  );
}

function save(name: string, file: Uint8Array<ArrayBuffer>): void {
  const address = URL.createObjectURL(new Blob([file], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The download has begun by the next turn at the latest.
  setTimeout(() => URL.revokeObjectURL(address), 0);
}
