import type { Accuracy } from "../api/types.ts";
import { count, percent } from "../state/format.ts";
import "./figures.css";

/** An accuracy as what it is: so many of so many. */
export function Figures({ accuracy, large }: { readonly accuracy: Accuracy; readonly large?: boolean }) {
  const { correct, total } = accuracy;
  return (
    <span className={large ? "figures figures-large" : "figures"}>
      <span className="figures-pair">
        {count(correct)}
        <span className="figures-of" aria-hidden="true">
          /
        </span>
        <span className="hidden-text"> of </span>
        {count(total)}
      </span>
      <span className="figures-percent">{percent(correct, total)}</span>
    </span>
  );
}
