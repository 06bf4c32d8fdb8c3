import { count } from "../state/format.ts";
import { Card } from "../ui/Card.tsx";
import { Empty } from "../ui/Status.tsx";
import { Text } from "../ui/Text.tsx";
import { clock } from "./figures.ts";
import type { Happening } from "./types.ts";

/** What happened, the newest first. */
export function Log({ log }: { readonly log: readonly Happening[] }) {
  const now = new Date();
  return (
    <Card title="Log">
      {log.length === 0 ? (
        <Empty>Nothing has happened yet.</Empty>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable from the keyboard.
        <ol className="log" tabIndex={0}>
          {log.map((h) => (
            <li
              key={`${h.time} ${h.text}`}
              className={`log-${h.kind === "cheat" || h.kind === "rollback" ? "bad" : "plain"}`}
            >
              <time dateTime={h.time} className="soft number">
                {clock(h.time, now)}
              </time>{" "}
              <span className="soft number">step {count(Math.max(0, h.step))}</span>{" "}
              <span>
                <Text max={400}>{h.text}</Text>
              </span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
