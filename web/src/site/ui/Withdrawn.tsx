import type { Withdrawal } from "../api/types.ts";
import { day } from "../state/format.ts";
import { Text } from "./Text.tsx";
import "./withdrawn.css";

/** Says at the head of a page that its authors have taken back what it shows. */
export function Withdrawn({ withdrawal }: { readonly withdrawal: Withdrawal }) {
  return (
    <section className="withdrawn" aria-label="Withdrawn">
      <p>
        <strong>Withdrawn on {day(withdrawal.created)}:</strong> <Text max={2000}>{withdrawal.reason}</Text>
      </p>
      <p className="soft">It stays here, unchanged, so that whatever refers to it can be checked.</p>
    </section>
  );
}
