// React's end of a session's state.

import { useEffect, useState, useSyncExternalStore } from "react";
import { useSite } from "../state/react.ts";
import { type Live, LiveSession } from "./live.ts";
import { type Part, type Participation, theParticipation } from "./participation.ts";

/** Follows a session while the page is shown. */
export function useSession(id: string): Live & { readonly session: LiveSession } {
  const { api } = useSite();
  const [session] = useState(() => new LiveSession(api, id));
  useEffect(() => {
    session.start();
    return session.stop;
  }, [session]);
  return { ...useSyncExternalStore(session.subscribe, session.get), session };
}

/** This tab's part in whatever session. */
export function useParticipation(): Part & { readonly participation: Participation } {
  const [participation] = useState(theParticipation);
  return { ...useSyncExternalStore(participation.subscribe, participation.get), participation };
}
