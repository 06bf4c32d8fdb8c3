import { count } from "../state/format.ts";
import { Badge } from "../ui/Badge.tsx";
import { Card } from "../ui/Card.tsx";
import { Empty } from "../ui/Status.tsx";
import { type Column, Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";
import { rate, share, time } from "./figures.ts";
import type { ParticipantStatus } from "./types.ts";

const states: Readonly<
  Record<ParticipantStatus["state"], { readonly words: string; readonly tone: "neutral" | "good" | "warn" }>
> = {
  joining: { words: "Joining", tone: "neutral" },
  working: { words: "Working", tone: "good" },
  idle: { words: "Waiting", tone: "neutral" },
  behind: { words: "Catching up", tone: "warn" },
  resting: { words: "Resting", tone: "neutral" },
  tracking: { words: "Watching", tone: "neutral" },
  gone: { words: "Gone", tone: "neutral" },
};

const families: Readonly<Record<string, string>> = {
  v8: "Chromium's engine",
  spidermonkey: "Firefox's engine",
  jsc: "Safari's engine",
  wazero: "Native",
};

interface Props {
  readonly people: readonly ParticipantStatus[];
  /** The public name of this browser's participant. */
  readonly own: string;
}

/** Who takes part, and with what. */
export function People({ people, own }: Props) {
  const columns: Column<ParticipantStatus>[] = [
    {
      name: "Participant",
      heading: true,
      cell: (p) => (
        <>
          <Text max={40}>{p.name || p.id}</Text> {p.id === own && <Badge tone="good">You</Badge>}
          <span className="people-runtime soft">
            <Text max={60}>{p.runtime || families[p.family] || p.family}</Text>
          </span>
        </>
      ),
    },
    {
      name: "State",
      cell: (p) => {
        const { words, tone } = states[p.state] ?? { words: p.state, tone: "neutral" };
        return <Badge tone={tone}>{words}</Badge>;
      },
    },
    { name: "Workers", numeric: true, cell: (p) => count(p.workers) },
    { name: "Power", numeric: true, cell: (p) => (p.power > 0 ? `${rate(p.power)} mb/s` : "–") },
    { name: "Latency", numeric: true, cell: (p) => time(p.latency) },
    { name: "Share", numeric: true, cell: (p) => share(p.share) },
    { name: "Verified", numeric: true, cell: (p) => `${count(p.verified)} of ${count(p.computed)}` },
    { name: "Trust", numeric: true, cell: (p) => share(p.trust) },
  ];
  return (
    <Card id="people" title="Participants">
      {people.length === 0 ? (
        <Empty>Nobody takes part yet. The link to join can be given to anybody.</Empty>
      ) : (
        <>
          <Table caption="Participants" columns={columns} rows={people} rowKey={(p) => p.id} />
          <p className="soft">
            Power is in microbatches (mb) a second of computing. Verified are the computed microbatches of steps whose
            audits have passed. Trust is one less the chance that a result is repeated by somebody else.
          </p>
        </>
      )}
    </Card>
  );
}
