import type { Summary } from "../api/types.ts";
import { Sparkline } from "../charts/Sparkline.tsx";
import { bytes, compact, words } from "../state/format.ts";
import { closurePath, refOf } from "../state/route.ts";
import { Badge } from "../ui/Badge.tsx";
import { Figures } from "../ui/Figures.tsx";
import { Link } from "../ui/Link.tsx";
import { Text } from "../ui/Text.tsx";
import { Verified } from "../ui/Verified.tsx";

/** A closure among others. */
export function ClosureCard({ closure }: { readonly closure: Summary }) {
  const { name, version, title, description, task, datasets, accuracy, parameters, size, layers, curve, verified } =
    closure;
  const { problem } = closure;
  const data = [...new Set(datasets.map((d) => d.name))].join(", ");
  return (
    <article className="closure-card">
      <div className="closure-card-curve">
        <Sparkline curve={curve} repeat={verified.signed > 0} />
      </div>
      <header>
        <h2>
          <Link href={closurePath(refOf(closure))}>
            <Text max={160}>{title || name}</Text>
          </Link>
        </h2>
        <p className="closure-card-name">
          <Text max={120}>{`${name}:${version}`}</Text>
        </p>
      </header>
      <p className="closure-card-about">
        <Text max={220}>{problem || description || layers}</Text>
      </p>
      <div className="closure-card-foot">
        <div className="closure-card-figures">
          {accuracy === null ? <span className="soft">No accuracy claimed</span> : <Figures accuracy={accuracy} />}
        </div>
        <p className="closure-card-meta">
          {task !== "" && <Text max={60}>{words(task)}</Text>}
          {task !== "" && data !== "" && " · "}
          {data !== "" && <Text max={60}>{data}</Text>}
          {/* One piece of text: the server's page has no seams in it. */}
          {problem === "" && `${task === "" && data === "" ? "" : " · "}${compact(parameters)} values · ${bytes(size)}`}
        </p>
        <div className="closure-card-line">
          {problem === "" ? (
            <Verified state={verified} />
          ) : (
            <span className="verified">
              <Badge tone="bad">Damaged</Badge>
            </span>
          )}
        </div>
      </div>
    </article>
  );
}

/** Keeps the room of a card until it is there. */
export function ClosureCardPlace() {
  return <li className="closure-card-place" aria-hidden="true" />;
}
