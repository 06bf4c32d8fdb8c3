import { count } from "../state/format.ts";
import { Card } from "../ui/Card.tsx";
import { Facts } from "../ui/Facts.tsx";
import { chance } from "./figures.ts";
import type { SessionDetail } from "./types.ts";

/** What is known of the honesty of the work, and what it has survived. */
export function Assurance({ detail }: { readonly detail: SessionDetail }) {
  const { audits, final, step, checkpoint, joins, leaves, restarts } = detail;
  return (
    <Card title="Audits" aside={<span className="soft">results that others repeated, and what went wrong</span>}>
      <Facts
        facts={[
          { name: "Repeated", value: count(audits.done) },
          { name: "Being repeated", value: count(audits.pending) },
          { name: "Forged results found", value: count(audits.caught) },
          { name: "Chance that ten forgeries pass", value: audits.done > 0 ? chance(audits.uncaught) : "–" },
          { name: "Final up to step", value: `${count(Math.max(0, final))} of ${count(Math.max(0, step))}` },
          { name: "Safe on disk up to step", value: count(Math.max(0, checkpoint)) },
          { name: "Returns to a snapshot", value: count(audits.rollbacks) },
          { name: "Work given to another", value: count(audits.releases) },
          { name: "Participants came, went", value: `${count(joins)}, ${count(leaves)}` },
          { name: "Server started again", value: count(restarts) },
        ]}
      />
    </Card>
  );
}
