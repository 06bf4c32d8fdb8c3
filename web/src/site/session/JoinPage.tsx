import { useMemo } from "react";
import { missingFeatures } from "../../core/support.ts";
import { isOver } from "../../worker/participant/protocol.ts";
import { Unloaded } from "../pages/Missing.tsx";
import { joinPath, sessionPath } from "../state/route.ts";
import { useTitle } from "../state/title.ts";
import { Button } from "../ui/Button.tsx";
import { Card } from "../ui/Card.tsx";
import { Command } from "../ui/Command.tsx";
import { Copy } from "../ui/Copy.tsx";
import { Cover } from "../ui/Cover.tsx";
import { Link } from "../ui/Link.tsx";
import { Loading } from "../ui/Status.tsx";
import { clip, Text } from "../ui/Text.tsx";
import { Contribution } from "./Contribution.tsx";
import { ModelCard } from "./ModelCard.tsx";
import { Qr } from "./Qr.tsx";
import { useParticipation, useSession } from "./react.ts";
import { people } from "./SessionCard.tsx";
import { SettingsForm } from "./SettingsForm.tsx";
import { StateBadge } from "./StateBadge.tsx";
import type { SessionDetail } from "./types.ts";
import "../pages/closure.css";
import "../reproduce/reproduce.css";
import "./session.css";

/** Where a browser takes part: one button, and then what it does. */
export default function JoinPage({ id }: { readonly id: string }) {
  const { detail, points, error, session } = useSession(id);
  useTitle(detail ? `Join: ${clip(detail.title || detail.name, 70)}` : "Join a session");
  if (error !== undefined) return <Unloaded what="session" error={error} retry={session.start} />;
  if (detail === undefined) return <Loading what="the session" tall />;
  return (
    <>
      <Cover className="head" curve={points.flatMap((p) => (p.loss === undefined ? [] : [p.loss]))}>
        <div className="head-words">
          <p className="head-path">
            <Link href="/sessions">Sessions</Link>
            <span aria-hidden="true"> / </span>
            <Link href={sessionPath(id)}>
              <Text max={160}>{`${detail.name}:${detail.version}`}</Text>
            </Link>
          </p>
          <h1>
            <Text max={240}>{detail.title || detail.name}</Text>
          </h1>
          <p className="head-meta">
            <span>{people(detail.participants, detail.workers)}</span>
          </p>
          <p>
            <StateBadge session={detail} />
          </p>
        </div>
      </Cover>
      <div className="page closure">
        <div className="closure-main">
          <Taking detail={detail} />
          <ModelCard detail={detail} />
        </div>
        <aside className="closure-aside" aria-label="Inviting others">
          <Invite id={id} />
        </aside>
      </div>
    </>
  );
}

function Taking({ detail }: { readonly detail: SessionDetail }) {
  const { session, state, paused, participation, settings } = useParticipation();
  const missing = useMemo(missingFeatures, []);
  const here = session === detail.id && state.role === "work";
  const active = here && !isOver(state);
  const open = detail.state === "running" || detail.state === "paused";
  if (missing.length > 0) {
    return (
      <Card title="Take part">
        <p>This browser cannot take part: {missing.join("; ")}.</p>
      </Card>
    );
  }
  return (
    <>
      <Card title={here ? "Your contribution" : "Take part"}>
        {!here && (
          <p>
            {open
              ? "Your browser computes a part of each step, in the background, for as long as this tab is open. It reads the session's data and sends back sums of integers; nothing else leaves this device."
              : "This session takes nobody in any more."}
          </p>
        )}
        {here && <Contribution detail={detail} state={state} settings={settings} />}
        <div className="row">
          {!active && open && (
            <Button kind="primary" className="join-button" onClick={() => participation.join(detail.id, "work")}>
              {here ? "Join again" : "Join"}
            </Button>
          )}
          {active && (
            <>
              <Button kind={paused ? "primary" : "plain"} onClick={() => participation.pause(!paused)}>
                {paused ? "Go on" : "Pause"}
              </Button>
              <Button onClick={() => participation.leave()}>Leave</Button>
            </>
          )}
          {session !== "" && session !== detail.id && !isOver(state) && (
            <p className="soft">
              This tab takes part in <Link href={joinPath(session)}>another session</Link>, which it would leave.
            </p>
          )}
        </div>
      </Card>
      {(open || active) && (
        <Card title="How much" aside={<span className="soft">kept in this browser</span>}>
          <SettingsForm />
        </Card>
      )}
    </>
  );
}

function Invite({ id }: { readonly id: string }) {
  const address = new URL(joinPath(id), location.href).href;
  return (
    <Card title="Invite">
      <Qr address={address} />
      <p className="invite-address">
        <a href={address}>{address}</a>
      </p>
      <p>
        <Copy text={address} what="the link" />
      </p>
      <p className="soft">Or from a command line:</p>
      <Command text={`reprise join ${address}`} />
    </Card>
  );
}
