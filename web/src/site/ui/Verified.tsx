import type { DerivationState, Verified as State } from "../api/types.ts";
import { Badge } from "./Badge.tsx";
import { Mark } from "./Mark.tsx";

/** What each derivation means, in a line. */
export const derivations: Readonly<Record<DerivationState, { label: string; tone: "neutral" | "good" | "warn" }>> = {
  derived: { label: "Engine derived", tone: "good" },
  "other-compiler": { label: "Other compiler", tone: "warn" },
  foreign: { label: "Foreign engine", tone: "warn" },
  unchecked: { label: "Derivation unchecked", tone: "neutral" },
};

/** Who has verified a closure: signed records, which say who, apart from visitors' unsigned ones. */
export function Verified({ state, withdrawn }: { readonly state: State; readonly withdrawn: boolean }) {
  const { signed, unsigned } = state;
  const derivation = derivations[state.derivation] ?? derivations.unchecked;
  return (
    <span className="verified">
      {withdrawn && <Badge tone="bad">Withdrawn</Badge>}
      {signed > 0 && (
        <Badge tone="good">
          <Mark />
          {` Verified by ${signed}`}
        </Badge>
      )}
      <Badge tone={derivation.tone}>{derivation.label}</Badge>
      {unsigned > 0 && <Badge>{unsigned === 1 ? "1 report" : `${unsigned} reports`}</Badge>}
      {signed === 0 && unsigned === 0 && <Badge>Not verified yet</Badge>}
    </span>
  );
}
