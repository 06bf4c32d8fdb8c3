import type { Accuracy, ClosureDetail, Curve, DerivationState } from "../api/types.ts";
import { day, words } from "../state/format.ts";
import { Cover } from "../ui/Cover.tsx";
import { Figures } from "../ui/Figures.tsx";
import { Link } from "../ui/Link.tsx";
import { Text } from "../ui/Text.tsx";
import { Verified } from "../ui/Verified.tsx";

interface Props {
  readonly detail: ClosureDetail;
  readonly derivation: DerivationState;
  /** Absent until it is loaded. */
  readonly curve: Curve | undefined;
}

/** The cover of a closure's page: what it is, by whom, and its figure. */
export function Head({ detail, derivation, curve }: Props) {
  const { closure, reference } = detail;
  const claim = mainAccuracy(detail);
  const authors = (closure.authors ?? []).slice(0, 12);
  return (
    <Cover className="head" curve={preview(curve)}>
      <div className="head-words">
        <p className="head-path">
          <Link href="/">Closures</Link>
          <span aria-hidden="true"> / </span>
          <Text max={160}>{`${reference.name}:${reference.version}`}</Text>
        </p>
        <h1>
          <Text max={240}>{closure.title || reference.name}</Text>
        </h1>
        {closure.description && (
          <p className="head-about">
            <Text max={600}>{closure.description}</Text>
          </p>
        )}
        <p className="head-meta">
          {authors.map((author, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: authors may share a name, and their order is fixed.
            <span key={i}>
              <Text max={80}>{author.name}</Text>
            </span>
          ))}
          {closure.task && (
            <span>
              <Text max={60}>{words(closure.task)}</Text>
            </span>
          )}
          <span>{day(closure.created)}</span>
          {closure.license && (
            <span>
              <Text max={60}>{closure.license}</Text>
            </span>
          )}
        </p>
        <Verified state={{ ...detail.verified, derivation }} withdrawn={detail.withdrawn !== null} />
      </div>
      {claim !== undefined && (
        <div className="head-figures">
          <p className="head-figures-label">
            Claimed, on <Text max={40}>{claim.split}</Text>
          </p>
          <Figures accuracy={claim} large />
        </div>
      )}
    </Cover>
  );
}

/** Points that the cover plays. */
const played = 80;

/** The losses of a curve, thinned by taking means. */
function preview(curve: Curve | undefined): number[] {
  const losses = curve?.points.flatMap((p) => (p.loss === null ? [] : [p.loss])) ?? [];
  const width = Math.max(1, Math.ceil(losses.length / played));
  return Array.from({ length: Math.ceil(losses.length / width) }, (_, i) => {
    const part = losses.slice(i * width, (i + 1) * width);
    return part.reduce((sum, loss) => sum + loss, 0) / part.length;
  });
}

/** The accuracy on the test split, else another. */
function mainAccuracy({ closure }: ClosureDetail): (Accuracy & { readonly split: string }) | undefined {
  const claims = closure.results.filter((r) => r.metric === "accuracy" && r.correct !== undefined);
  const tests = closure.datasets.filter((d) => d.role === "test").map((d) => d.split);
  const claim = claims.find((r) => tests.includes(r.split)) ?? claims[0];
  return claim && { correct: claim.correct ?? 0, total: claim.total, split: claim.split };
}
