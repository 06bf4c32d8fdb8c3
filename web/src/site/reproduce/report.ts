// What a visitor takes away or leaves: a report as JSON or Markdown, and an unsigned verification record.

import type { Digest } from "../../gen/schema.ts";
import type { DerivationAnswer, Reference, Runtime, VerificationRequest } from "../api/types.ts";
import type { Difference, Outcome } from "./protocol.ts";
import { checks, claimVerdicts, judge, type VerdictKind } from "./verdict.ts";

export interface Report {
  readonly closure: Reference;
  readonly mode: Outcome["mode"];
  readonly verdict: VerdictKind;
  readonly headline: string;
  readonly reasons: readonly string[];
  readonly derivation: DerivationAnswer;
  readonly claims: ReturnType<typeof claimVerdicts>;
  readonly damaged: readonly string[];
  readonly steps?: number;
  readonly run?: Digest;
  readonly firstDifference?: Difference;
  readonly checks: ReturnType<typeof checks>;
  readonly runtime: Runtime;
  readonly seconds: number;
  readonly made: string;
  /** Nobody has signed this report. */
  readonly signed: false;
}

export interface Circumstances {
  readonly closure: Reference;
  readonly derivation: DerivationAnswer;
  readonly runtime: Runtime;
  readonly made: Date;
}

export function report(outcome: Outcome, around: Circumstances): Report {
  const { closure, derivation, runtime, made } = around;
  const { kind, headline, reasons } = judge(outcome, derivation);
  const replayed =
    outcome.mode === "replay"
      ? {
          steps: outcome.steps,
          ...(outcome.run && { run: outcome.run }),
          ...(outcome.difference && { firstDifference: outcome.difference }),
        }
      : {};
  return {
    closure: { name: closure.name, version: closure.version, digest: closure.digest },
    mode: outcome.mode,
    verdict: kind,
    headline,
    reasons,
    derivation,
    claims: claimVerdicts(outcome, derivation),
    damaged: outcome.damaged,
    ...replayed,
    checks: checks(outcome, derivation),
    runtime,
    seconds: Math.round(outcome.seconds * 1000) / 1000,
    made: made.toISOString(),
    signed: false,
  };
}

export function markdown(r: Report, address: string): string {
  const lines = [
    `# ${r.mode === "verify" ? "Verification" : "Replay"} of ${text(r.closure.name)} ${text(r.closure.version)}`,
    "",
    `**${text(r.headline)}**`,
    ...r.reasons.flatMap((reason) => ["", text(reason)]),
    "",
    `- Closure: \`${r.closure.digest}\``,
    `- Page: <${address}>`,
    ...(r.steps === undefined ? [] : [`- Steps recomputed: ${r.steps}`]),
    ...(r.run === undefined ? [] : [`- Run: \`${r.run}\``]),
    `- Where: ${text(r.runtime.browser)} on ${text(r.runtime.os)}, ${r.runtime.workers} worker${r.runtime.workers === 1 ? "" : "s"}, ${r.seconds.toFixed(1)} s, ${r.made}`,
  ];
  if (r.claims.length > 0) {
    lines.push("", "| claim | split | claimed | observed | verdict |", "| --- | --- | ---: | ---: | --- |");
    for (const c of r.claims) {
      lines.push(
        `| ${text(c.metric)} | ${text(c.split)} | ${figures(c.claimed)} | ${figures(c.observed)} | ${c.verdict} |`,
      );
    }
  }
  lines.push("", "| check | where | result |", "| --- | --- | --- |");
  for (const c of r.checks) lines.push(`| ${c.what} | ${c.where} | ${c.result}: ${text(c.detail)} |`);
  lines.push("", "This report is unsigned: it is as good as the word of whoever passes it on.", "");
  return lines.join("\n");
}

/** The record that can be left with the zoo; undefined where there is no verdict to leave. */
export function verificationRequest(r: Report): VerificationRequest | undefined {
  if (r.verdict === "inconclusive") return undefined;
  return {
    closure: r.closure.digest,
    mode: r.mode,
    verdict: r.verdict,
    claims: r.claims,
    ...(r.run && { run: r.run }),
    runtime: r.runtime,
    ...(r.steps !== undefined && { steps: r.steps }),
  };
}

export function figures(
  value: { readonly correct?: number; readonly sum?: number; readonly total: number } | undefined,
): string {
  if (value === undefined) return "–";
  if (value.correct !== undefined) return `${value.correct}/${value.total}`;
  if (value.sum !== undefined) return `${value.sum}·2⁻²⁰/${value.total}`;
  return "–";
}

/** Text of strangers in Markdown: on one line, with nothing that means something there. */
function text(value: string): string {
  return value.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>|#~]/g, "\\$&");
}
