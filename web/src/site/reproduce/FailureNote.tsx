import type { ReactNode } from "react";
import type { FailureData } from "../../worker/protocol.ts";
import { Text } from "../ui/Text.tsx";

const remedies: Readonly<Record<NonNullable<FailureData["kind"]>, string>> = {
  damaged: "The stored bytes are not the published ones. Fetch the closure from another copy.",
  invalid: "The closure cannot be run as it is. Its author has to publish it again.",
  engine: "Try again with fewer workers, or in another browser; the command line gives an engine more time and memory.",
  fetch: "Look at the connection and try again.",
  unsupported: "Another browser may be able to.",
  diverged: "Two workers disagree, so this machine or its browser computes wrongly. Try another one.",
};

/** Why there is no verdict, and what to do. */
export function FailureNote({ failure, children }: { readonly failure: FailureData; readonly children?: ReactNode }) {
  return (
    <div className="verdict verdict-inconclusive" role="alert" data-verdict="failed">
      <p className="verdict-headline">It could not be done</p>
      <p>
        <Text max={600}>{`${failure.message}.`}</Text>
      </p>
      <p>
        {failure.kind === undefined
          ? "That is a defect of this site. Reload the page; if it happens again, please report it."
          : remedies[failure.kind]}
      </p>
      {children && <div className="row">{children}</div>}
    </div>
  );
}
