import type { Result } from "../../gen/schema.ts";
import type { ClosureDetail, DerivationAnswer, DerivationState, Verification } from "../api/types.ts";
import { DeriveHere } from "../derive/DeriveHere.tsx";
import { count, day, meanLoss, percent } from "../state/format.ts";
import { Badge } from "../ui/Badge.tsx";
import { Card } from "../ui/Card.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Mark } from "../ui/Mark.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";
import { derivations } from "../ui/Verified.tsx";

const meanings: Readonly<Record<DerivationState, string>> = {
  derived: "Recompiling the specification here gives this engine, byte for byte: the code is what the page says it is.",
  "other-compiler":
    "Another release’s compiler made this engine. That by itself proves nothing: its blind claims alone can be checked.",
  foreign:
    "Its authors brought their own engine. Only claims that are counted blindly, from predictions, mean something.",
  unchecked: "This server has not recompiled the specification yet.",
};

interface Props {
  readonly detail: ClosureDetail;
  readonly derivation: DerivationAnswer;
}

/** What the authors say, and what others found. */
export function Claims({ detail, derivation }: Props) {
  const { closure, verifications } = detail;
  const { label, tone } = derivations[derivation.derivation] ?? derivations.unchecked;
  return (
    <Card id="claims" title="Claims and verifications">
      {closure.results.length === 0 ? (
        <p className="soft">Its authors claim nothing.</p>
      ) : (
        <Table
          caption="Claims"
          columns={[
            { name: "Metric", cell: (r: Result) => r.metric, heading: true },
            { name: "Split", cell: (r) => <Text max={40}>{r.split}</Text> },
            { name: "Exact value", cell: exact, numeric: true },
            { name: "That is", cell: readable, numeric: true },
            { name: "At step", cell: (r) => count(r.step), numeric: true },
          ]}
          rows={closure.results}
          rowKey={(r) => `${r.metric} ${r.split} ${r.step} ${r.dataset}`}
        />
      )}
      <div className="closure-derivation">
        <Badge tone={tone}>{label}</Badge>
        <p>{meanings[derivation.derivation] ?? meanings.unchecked}</p>
        {derivation.reason && (
          <p className="soft">
            <Text max={400}>{derivation.reason}</Text>
          </p>
        )}
        <DeriveHere detail={detail} />
      </div>
      {verifications.length === 0 ? (
        <p className="soft">Nobody has left a verification record yet. Reproduce it above, and leave the first.</p>
      ) : (
        <Table
          caption="Verification records. Those whose signature this server trusts come first; others say only that somebody says so."
          captioned
          columns={[
            { name: "Record", cell: record, heading: true },
            { name: "Verdict", cell: verdict },
            { name: "With", cell: (v) => <Text max={120}>{runtime(v)}</Text> },
            { name: "Left", cell: (v) => day(v.created) },
          ]}
          rows={verifications.slice(0, 50)}
          rowKey={(v, i) => `${v.digest} ${i}`}
        />
      )}
    </Card>
  );
}

function exact({ correct, sum, total }: Result): string {
  if (correct !== undefined) return `${count(correct)} of ${count(total)}`;
  return sum === undefined ? "–" : `${count(sum)} · 2⁻²⁰ over ${count(total)}`;
}

function readable({ correct, sum, total }: Result): string {
  if (correct !== undefined) return percent(correct, total);
  return sum === undefined ? "–" : meanLoss(sum, total);
}

function record({ kind, mode, by, digest }: Verification) {
  return (
    <>
      {kind === "signed" ? (
        <>
          <Mark /> Signed by <Text max={80}>{by}</Text>
        </>
      ) : (
        doubts[kind]
      )}
      {mode && `, ${mode === "replay" ? "replayed" : "verified"}`}
      <br />
      <Digest digest={digest} short />
    </>
  );
}

/** What records are whose authors nobody knows. */
const doubts: Readonly<Record<Exclude<Verification["kind"], "signed">, string>> = {
  unsigned: "Unsigned",
  "unknown-key": "Signed with a key that this server does not trust",
  "not-signature": "The signature is wrong",
};

function verdict({ kind, verdict: text, claims }: Verification) {
  const good = text === "reproduced" || text === "identical";
  const held = claims.filter((c) => c.verdict === "reproduced").length;
  return (
    <>
      <Badge tone={!good ? "bad" : kind === "signed" ? "good" : "neutral"}>
        <Text max={30}>{text}</Text>
      </Badge>
      {claims.length > 0 && (
        <span className="soft number">
          {" "}
          {held} of {claims.length} claims
        </span>
      )}
    </>
  );
}

function runtime({ runtime: { browser, os, workers } }: Verification): string {
  return [browser, os, workers > 0 && `${workers} workers`].filter(Boolean).join(", ");
}
