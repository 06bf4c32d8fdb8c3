import type { RefuseCode, RestReason } from "../../core/wire.ts";
import type { ParticipantState } from "../../worker/participant/protocol.ts";
import { bytes, count } from "../state/format.ts";
import { closurePath } from "../state/route.ts";
import { Digest } from "../ui/Digest.tsx";
import { Facts } from "../ui/Facts.tsx";
import { Link } from "../ui/Link.tsx";
import { Progress } from "../ui/Progress.tsx";
import { Text } from "../ui/Text.tsx";
import { rate, share } from "./figures.ts";
import { waitsFor } from "./StateBadge.tsx";
import type { Settings } from "./settings.ts";
import type { SessionDetail } from "./types.ts";

interface Props {
  readonly detail: SessionDetail;
  readonly state: ParticipantState;
  readonly settings: Settings;
}

/** What this browser does, and has done. */
export function Contribution({ detail, state, settings }: Props) {
  const steps = state.steps || detail.steps;
  return (
    <>
      <p className="contribution-phase" role="status" data-phase={state.phase}>
        {words(state, detail)}
      </p>
      {state.failure && <Failure failure={state.failure} />}
      {state.end && <Ended end={state.end} />}
      <Progress
        label="The session"
        value={Math.max(0, state.step)}
        max={Math.max(1, steps)}
        text={`step ${count(Math.max(0, state.step))} of ${count(steps)}`}
      />
      <Facts
        facts={[
          { name: "Microbatches computed", value: count(state.computed) },
          { name: "Of them verified", value: count(state.verified) },
          { name: "Your share", value: share(state.share) },
          { name: "Your power", value: state.power > 0 ? `${rate(state.power)} microbatches/s` : "–" },
          { name: "Loss now", value: state.loss?.toPrecision(4) ?? detail.loss?.toPrecision(4) ?? "–" },
          { name: "Test error", value: errorOf(state.accuracy ?? detail.accuracy) },
          {
            name: "Workers",
            value: state.workers < settings.workers ? `${state.workers}, fewer after a failure` : state.workers,
          },
          { name: "Sent, received", value: `${bytes(state.sent)}, ${bytes(state.received)}` },
        ]}
      />
    </>
  );
}

function errorOf(accuracy: number | undefined): string {
  return accuracy === undefined ? "–" : share(1 - accuracy);
}

const rests: Readonly<Record<RestReason, string>> = {
  visitor: "Paused by you.",
  hidden: "Resting while this tab is hidden.",
  battery: "Resting until the device is plugged in.",
};

function words(state: ParticipantState, detail: SessionDetail): string {
  switch (state.phase) {
    case "dialling":
      return "Connecting …";
    case "fetching":
      return "Fetching the engine and the model …";
    case "proving":
      return "Computing a few results that the server knows, to show that this browser can …";
    case "following":
      if (state.resting) return rests[state.resting];
      if (detail.trouble) return waitsFor(detail.trouble);
      if (state.paused || detail.state === "paused") return "The session is paused by its owner.";
      return state.leases > 0 ? "Working." : "Waiting for work.";
    case "retrying":
      return `${sentence(state.retry?.why ?? "the connection is gone")} Trying again in ${Math.max(1, Math.round(state.retry?.seconds ?? 1))} s.`;
    case "ended":
      return "The session is over. Thank you.";
    case "left":
      return "You have left. What you computed counts.";
    case "failed":
      return "This browser no longer takes part.";
  }
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`.replace(/\.\.$/, ".");
}

const remedies: Readonly<Partial<Record<RefuseCode, string>>> = {
  proof: "Another browser or device may compute as it should.",
  environment: "Another browser or device may compute as it should.",
  cheat:
    "A result of this browser was contradicted by others. If you did nothing to cause that, its memory may be faulty.",
  version: "This page is older or newer than the server. Reload it.",
  protocol: "That is a defect of this site. Reload the page; if it happens again, please report it.",
};

function Failure({ failure }: { readonly failure: NonNullable<ParticipantState["failure"]> }) {
  const remedy =
    (failure.code && remedies[failure.code]) ??
    (failure.kind === "engine" ? "Fewer workers, or another browser, may do better." : undefined);
  return (
    <div className="failed" role="alert">
      <p>
        <strong>
          <Text max={600}>{sentence(failure.message)}</Text>
        </strong>
      </p>
      {remedy && <p>{remedy}</p>}
    </div>
  );
}

function Ended({ end }: { readonly end: NonNullable<ParticipantState["end"]> }) {
  return (
    <div className="stack">
      {end.message && !end.run && (
        <p>
          <Text max={500}>{end.message}</Text>
        </p>
      )}
      {end.run && (
        <div className="identified">
          <h3>The run's digest</h3>
          <Digest digest={end.run} picture copy />
        </div>
      )}
      {end.closure && (
        <p>
          Published as{" "}
          <Link href={closurePath(end.closure)}>
            <Text max={160}>{end.closure}</Text>
          </Link>
        </p>
      )}
    </div>
  );
}
