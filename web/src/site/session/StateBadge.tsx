import { Badge } from "../ui/Badge.tsx";
import type { SessionState } from "./types.ts";

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

export function StateBadge({ state }: { readonly state: SessionState }) {
  const { tone, words } = looks[state] ?? { tone: "neutral", words: state };
  return <Badge tone={tone}>{words}</Badge>;
}
