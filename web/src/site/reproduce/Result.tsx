import { useMemo } from "react";
import type { ClosureDetail, DerivationAnswer } from "../api/types.ts";
import { Badge } from "../ui/Badge.tsx";
import { Card } from "../ui/Card.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";
import { Classified } from "./Classified.tsx";
import type { ClaimCheck, Outcome } from "./protocol.ts";
import { figures } from "./report.ts";
import { Share } from "./Share.tsx";
import { type Check, type ClaimResult, checks, claimResult, judge } from "./verdict.ts";

interface Props {
  readonly closure: ClosureDetail;
  readonly outcome: Outcome;
  readonly derivation: DerivationAnswer;
  readonly workers: number;
}

/** What the verdict rests on, and what to do with it. */
export function Result({ closure, outcome, derivation, workers }: Props) {
  return (
    <>
      <Card title="What was checked, and where" level={3}>
        <Checks checks={checks(outcome, derivation)} />
        {outcome.mode === "verify" && outcome.claims.length > 0 && (
          <Claims claims={outcome.claims} derivation={derivation} />
        )}
      </Card>
      {outcome.mode === "verify" && outcome.classification && <Classified of={outcome.classification} />}
      <Share closure={closure} outcome={outcome} derivation={derivation} workers={workers} />
    </>
  );
}

interface VerdictProps {
  readonly outcome: Outcome;
  readonly derivation: DerivationAnswer;
}

/** The verdict, and why. */
export function VerdictPanel({ outcome, derivation }: VerdictProps) {
  const verdict = useMemo(() => judge(outcome, derivation), [outcome, derivation]);
  const run = verdict.kind === "identical" && outcome.mode === "replay" ? outcome.run : undefined;
  return (
    <div className={`verdict verdict-${verdict.kind}`} role="status" data-verdict={verdict.kind}>
      {run === undefined ? (
        <p className="verdict-headline">
          <Text max={300}>{verdict.headline}</Text>
        </p>
      ) : (
        <>
          <p className="verdict-headline">Identical</p>
          <p>
            <Digest digest={run} picture copy />
          </p>
          <p>
            The digest of all parameters and the optimizer's state, trained here from the seed, is the published one.
          </p>
        </>
      )}
      {verdict.reasons.map((reason) => (
        <p key={reason}>
          <Text max={800}>{reason}</Text>
        </p>
      ))}
    </div>
  );
}

const tones = { passed: "good", failed: "bad", open: "neutral" } as const;

function Checks({ checks }: { readonly checks: readonly Check[] }) {
  return (
    <ul className="checks">
      {checks.map(({ what, where, result, detail }) => (
        <li key={what}>
          <p className="check-head">
            <strong>{what}</strong> <Badge tone={tones[result]}>{result}</Badge> <span className="soft">{where}</span>
          </p>
          <p>
            <Text max={600}>{detail}</Text>
          </p>
        </li>
      ))}
    </ul>
  );
}

const claimTones: Readonly<Record<ClaimResult, "good" | "bad" | "neutral">> = {
  reproduced: "good",
  differs: "bad",
  unproven: "neutral",
};

function Claims({
  claims,
  derivation,
}: {
  readonly claims: readonly ClaimCheck[];
  readonly derivation: DerivationAnswer;
}) {
  return (
    <Table
      caption="Claims, as published and as computed here"
      captioned
      columns={[
        { name: "Claim", cell: ({ claim }) => claim.metric, heading: true },
        { name: "Split", cell: ({ claim }) => <Text max={40}>{claim.split}</Text> },
        { name: "Claimed", cell: ({ claim }) => figures(claim), numeric: true },
        { name: "Observed", cell: ({ observed }) => figures(observed), numeric: true },
        {
          name: "Verdict",
          cell: (c) => {
            const result = claimResult(c, derivation);
            return <Badge tone={claimTones[result]}>{result}</Badge>;
          },
        },
      ]}
      rows={claims}
      rowKey={({ claim }, i) => `${i} ${claim.metric}`}
    />
  );
}
