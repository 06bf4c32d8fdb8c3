import { Card } from "../ui/Card.tsx";
import { time } from "./figures.ts";
import type { StepTime } from "./types.ts";

const parts = [
  { key: "compute", name: "Compute", about: "the slowest participant's engines" },
  { key: "upload", name: "Upload", about: "its result on the way" },
  { key: "merge", name: "Merge", about: "adding the integers up" },
  { key: "broadcast", name: "Broadcast", about: "the update on its way to all" },
  { key: "idle", name: "Idle", about: "what participants waited, on average" },
] as const;

/** Where the time of a step goes. */
export function StepTimes({ times }: { readonly times: StepTime }) {
  const sum = parts.reduce((all, { key }) => all + (key === "idle" ? 0 : times[key]), 0);
  // Parts overlap: idle is a share of the whole, the others follow one another.
  const whole = Math.max(sum, times.total, 1e-9);
  return (
    <Card title="Time of a step" aside={<span className="soft number">{time(times.total)}</span>}>
      {times.total <= 0 ? (
        <p className="soft">No step has been measured yet.</p>
      ) : (
        <ul className="times">
          {parts.map(({ key, name, about }) => (
            <li key={key}>
              <span className="times-name">{name}</span>
              <meter
                className={`times-bar times-${key}`}
                min={0}
                max={1}
                value={Math.min(1, times[key] / whole)}
                aria-label={name}
              >
                {time(times[key])}
              </meter>
              <span className="number times-value">{time(times[key])}</span>
              <span className="soft times-about">{about}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
