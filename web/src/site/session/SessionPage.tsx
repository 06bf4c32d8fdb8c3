import { lazy, Suspense } from "react";
import { Unloaded } from "../pages/Missing.tsx";
import { count, words } from "../state/format.ts";
import { closurePath, datasetPath, joinPath } from "../state/route.ts";
import { useTitle } from "../state/title.ts";
import { Boundary } from "../ui/Boundary.tsx";
import { Card } from "../ui/Card.tsx";
import { Cover } from "../ui/Cover.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Facts } from "../ui/Facts.tsx";
import { Link } from "../ui/Link.tsx";
import { Progress } from "../ui/Progress.tsx";
import { Loading } from "../ui/Status.tsx";
import { clip, Text } from "../ui/Text.tsx";
import { Assurance } from "./Assurance.tsx";
import { rate, share } from "./figures.ts";
import { Log } from "./Log.tsx";
import type { Live, LiveSession } from "./live.ts";
import { ModelCard } from "./ModelCard.tsx";
import { Owner } from "./Owner.tsx";
import { People } from "./People.tsx";
import { useParticipation, useSession } from "./react.ts";
import { people } from "./SessionCard.tsx";
import { StateBadge, waitsFor } from "./StateBadge.tsx";
import { StepTimes } from "./StepTimes.tsx";
import type { SessionDetail } from "./types.ts";
import "../pages/closure.css";
import "./session.css";

const SessionCurve = lazy(() => import("./SessionCurve.tsx"));

/** A session as it goes. */
export default function SessionPage({ id }: { readonly id: string }) {
  const { detail, points, error, connected, session } = useSession(id);
  useTitle(detail ? clip(detail.title || detail.name, 80) : "Session");
  if (error !== undefined) return <Unloaded what="session" error={error} retry={session.start} />;
  if (detail === undefined) return <Loading what="the session" tall />;
  return <Shown detail={detail} points={points} connected={connected} session={session} />;
}

type Props = { readonly detail: SessionDetail; readonly session: LiveSession } & Pick<Live, "points" | "connected">;

function Shown({ detail, points, connected, session }: Props) {
  const { session: joined, state: own } = useParticipation();
  const losses = points.flatMap((p) => (p.loss === undefined ? [] : [p.loss]));
  return (
    <>
      <SessionHead detail={detail} losses={losses} />
      <div className="page closure">
        <div className="closure-main">
          {detail.error && (
            <div className="failed" role="alert">
              <p>
                <strong>{detail.state === "failed" ? "The session failed." : "The training is done."}</strong>{" "}
                <Text max={1000}>{detail.error}</Text>
              </p>
            </div>
          )}
          {detail.trouble && (
            <div className="failed" role="status">
              <p>{waitsFor(detail.trouble)}</p>
            </div>
          )}
          <Card
            title="Training"
            aside={
              <span className="soft" role="status">
                {connected ? "live" : isOver(detail) ? "" : "connecting …"}
              </span>
            }
          >
            <Progress
              label={detail.state === "finishing" ? "All steps are done; the last are being audited" : "Steps"}
              value={Math.max(0, detail.step)}
              max={Math.max(1, detail.steps)}
              text={`${count(Math.max(0, detail.step))} of ${count(detail.steps)}`}
            />
            <div className="session-curve">
              {points.length === 0 ? (
                <p className="soft">The curve begins with the first step.</p>
              ) : (
                <Boundary>
                  <Suspense fallback={<div className="session-curve-place" />}>
                    <SessionCurve points={points} />
                  </Suspense>
                </Boundary>
              )}
            </div>
          </Card>
          <People people={detail.people} own={joined === detail.id ? own.participant : ""} />
          <div className="session-pair">
            <StepTimes times={detail.times} />
            <Assurance detail={detail} />
          </div>
          <Log log={detail.log} />
        </div>
        <aside className="closure-aside" aria-label="The model, steering and identity">
          <ModelCard detail={detail} />
          <Owner detail={detail} onDetail={(answer) => session.show(answer)} />
          <SessionIdentity detail={detail} />
        </aside>
      </div>
    </>
  );
}

function isOver({ state }: SessionDetail): boolean {
  return state === "published" || state === "stopped" || state === "failed";
}

function SessionHead({ detail, losses }: { readonly detail: SessionDetail; readonly losses: readonly number[] }) {
  const { name, version, title, parent, relation } = detail;
  const { session, state } = useParticipation();
  const takes = session === detail.id && state.role === "work" && state.phase !== "left" && state.phase !== "failed";
  return (
    <Cover className="head" curve={losses}>
      <div className="head-words">
        <p className="head-path">
          <Link href="/sessions">Sessions</Link>
          <span aria-hidden="true"> / </span>
          <Text max={160}>{`${name}:${version}`}</Text>
        </p>
        <h1>
          <Text max={240}>{title || name}</Text>
        </h1>
        <p className="head-meta">
          <span>{detail.mode === "timed" ? "timed steps" : "fixed steps"}</span>
          <span>{people(detail.participants, detail.workers)}</span>
          {parent && (
            <span>
              {relation ? `${words(relation)} from` : "from"}{" "}
              <Link href={closurePath(parent)}>
                <Text max={120}>{parent}</Text>
              </Link>
            </span>
          )}
        </p>
        <p className="row">
          <StateBadge session={detail} />
          {(detail.state === "running" || detail.state === "paused") && (
            <Link className="button cover-button" href={joinPath(detail.id)}>
              {takes ? "Your contribution" : "Join"}
            </Link>
          )}
        </p>
      </div>
      <dl className="head-live number">
        <div>
          <dt>Examples a second</dt>
          <dd>{rate(detail.power)}</dd>
        </div>
        <div>
          <dt>Loss</dt>
          <dd>{detail.loss?.toPrecision(4) ?? "–"}</dd>
        </div>
        <div>
          <dt>Test error</dt>
          <dd>{detail.accuracy === undefined ? "–" : share(1 - detail.accuracy)}</dd>
        </div>
      </dl>
    </Cover>
  );
}

function SessionIdentity({ detail }: { readonly detail: SessionDetail }) {
  return (
    <Card title="Identity">
      <Identified name="Specification" digest={detail.specification} />
      <Identified name="Engine" digest={detail.engine} />
      {detail.run && <Identified name="Run" digest={detail.run} />}
      {detail.closure && (
        <p>
          Published as{" "}
          <Link href={closurePath(detail.closure)}>
            <Text max={160}>{detail.closure}</Text>
          </Link>
        </p>
      )}
      <Facts
        facts={detail.datasets.map((d) => ({
          name: d.role === "train" ? "Trains on" : "Tested on",
          value: (
            <Link href={datasetPath(`${d.name}@${d.digest}`)}>
              <Text max={80}>{`${d.name}, ${d.split}`}</Text>
            </Link>
          ),
        }))}
      />
    </Card>
  );
}

function Identified({ name, digest }: { readonly name: string; readonly digest: string }) {
  return (
    <div className="identified">
      <h3>{name}</h3>
      <Digest digest={digest} picture short copy />
    </div>
  );
}
