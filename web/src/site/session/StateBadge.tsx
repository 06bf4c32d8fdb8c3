import { Badge } from "../ui/Badge.tsx";
import type { SessionState, SessionSummary } from "./types.ts";

const looks: Readonly<
  Record<SessionState, { readonly tone: "neutral" | "good" | "warn" | "bad"; readonly words: string }>
> = {
  running: { tone: "good", words: "Running" },
  paused: { tone: "warn", words: "Paused" },
  finishing: { tone: "neutral", words: "Auditing the last steps" },
  finished: { tone: "neutral", words: "Finished, not published" },
  published: { tone: "neutral", words: "Published" },
  stopped: { tone: "warn", words: "Stopped" },
  failed: { tone: "bad", words: "Failed" },
};

/** What a session says that could not be saved. */
export function waitsFor(trouble: string): string {
  return `The session waits: ${trouble}. It goes on by itself when that has passed.`;
}

export function StateBadge({ session: { state, trouble } }: { readonly session: SessionSummary }) {
  const waits = trouble && state !== "paused" && { tone: "bad" as const, words: "Waiting" };
  const { tone, words } = waits || (looks[state] ?? { tone: "neutral", words: state });
  return <Badge tone={tone}>{words}</Badge>;
}
