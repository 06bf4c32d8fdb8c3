import { useEffect } from "react";
import { useLoaded } from "../state/react.ts";
import { startPath } from "../state/route.ts";
import { useTitle } from "../state/title.ts";
import { Cover } from "../ui/Cover.tsx";
import { Link } from "../ui/Link.tsx";
import { Empty, Failed, Loading } from "../ui/Status.tsx";
import { listSessions } from "./client.ts";
import { SessionCard } from "./SessionCard.tsx";
import { isLive } from "./types.ts";
import "../ui/cards.css";
import "./session.css";

/** Milliseconds between two looks at the list. */
const interval = 5000;

/** Sessions: those that run, and those that did. */
export default function Sessions() {
  const { value, error, retry } = useLoaded("sessions", (api, _, signal) => listSessions(api, signal));
  useTitle("Sessions");
  const live = value?.sessions.some(isLive) ?? false;
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") retry();
    }, interval);
    return () => clearInterval(timer);
  }, [live, retry]);
  return (
    <>
      <Cover className="front">
        <h1>Train together</h1>
        <p>
          A session trains one network over many browsers and machines. Whoever takes part, however many, however fast:
          the result is the one that a single machine computes alone, to the last bit.
        </p>
        {value?.none === undefined && (
          <p>
            <Link className="button cover-button" href={startPath()}>
              Start a session
            </Link>
          </p>
        )}
      </Cover>
      <div className="page">
        {error !== undefined && <Failed error={error} retry={retry} />}
        {value === undefined && error === undefined && <Loading what="the sessions" tall />}
        {value !== undefined && (
          <ul className="cards session-cards">
            {value.sessions.map((session) => (
              <li key={session.id}>
                <SessionCard session={session} />
              </li>
            ))}
          </ul>
        )}
        {value?.none !== undefined && <Empty>This server has no sessions: {value.none}.</Empty>}
        {value?.none === undefined && value?.sessions.length === 0 && (
          <Empty>
            No session has been started here yet. Start one above, or with <code>reprise session start</code>.
          </Empty>
        )}
      </div>
    </>
  );
}
