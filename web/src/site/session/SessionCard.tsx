import { compact, count } from "../state/format.ts";
import { joinPath, sessionPath } from "../state/route.ts";
import { Link } from "../ui/Link.tsx";
import { Progress } from "../ui/Progress.tsx";
import { Text } from "../ui/Text.tsx";
import { StateBadge } from "./StateBadge.tsx";
import { isLive, type SessionSummary } from "./types.ts";
import "../ui/card.css";

/** A session in the list. */
export function SessionCard({ session }: { readonly session: SessionSummary }) {
  const { id, title, name, version, step, steps, participants, workers, power, accuracy, loss, state } = session;
  return (
    <article className="card session-card">
      <header>
        <h2>
          <Link href={sessionPath(id)}>
            <Text max={160}>{title || name}</Text>
          </Link>
        </h2>
        <p className="closure-card-name">
          <Text max={120}>{`${name}:${version}`}</Text>
        </p>
      </header>
      <p className="row">
        <StateBadge session={session} />
        <span className="soft">{session.mode === "timed" ? "timed steps" : "fixed steps"}</span>
      </p>
      <Progress
        label="Steps"
        value={Math.max(0, step)}
        max={Math.max(1, steps)}
        text={`${count(Math.max(0, step))} of ${count(steps)}`}
      />
      <p className="session-card-meta number">
        {[
          isLive(session) && people(participants, workers),
          power > 0 && `${compact(Math.round(power))} examples/s`,
          accuracy !== undefined ? `${(accuracy * 100).toFixed(1)} % right` : loss && `loss ${loss.toPrecision(3)}`,
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
      {(state === "running" || state === "paused") && (
        <p>
          <Link className="button button-plain" href={joinPath(id)} aria-label={`Join ${title || name}`}>
            Join
          </Link>
        </p>
      )}
    </article>
  );
}

export function people(participants: number, workers: number): string {
  if (participants === 0) return "nobody takes part";
  const who = participants === 1 ? "1 participant" : `${count(participants)} participants`;
  return `${who}, ${workers === 1 ? "1 worker" : `${count(workers)} workers`}`;
}
