// What the findings mean. The rules are those of `reprise verify` and `reprise replay`: damage comes first; an engine that
// pretends to be compiled has failed; a loss counts only where the engine is derived; nothing proved is no success.

import type { Result } from "../../core/documents.ts";
import type { ClaimVerdict, DerivationAnswer } from "../api/types.ts";
import type { ClaimCheck, Outcome, ReplayOutcome, VerifyOutcome } from "./protocol.ts";

export type VerdictKind = "reproduced" | "identical" | "differs" | "damaged" | "inconclusive";

export interface Verdict {
  readonly kind: VerdictKind;
  /** A line for everyone. */
  readonly headline: string;
  /** Sentences that say why. */
  readonly reasons: readonly string[];
}

export type ClaimResult = "reproduced" | "differs" | "unproven";

/** Judges what was found, with what the server says of the engine's derivation. */
export function judge(outcome: Outcome, derivation: DerivationAnswer): Verdict {
  if (outcome.damaged.length > 0) {
    return {
      kind: "damaged",
      headline: "Damaged: stored bytes are not what their digests say",
      reasons: [
        ...outcome.damaged,
        "Nothing after the damaged bytes was computed. Fetch the closure from another copy.",
      ],
    };
  }
  const cheat = pretends(outcome, derivation);
  if (outcome.engineFailure !== undefined) {
    return {
      kind: cheat ? "differs" : "inconclusive",
      headline: cheat ? cheatHeadline : "No verdict: the engine failed",
      reasons: [
        ...(cheat ? [cheat] : []),
        `${outcome.engineFailure}.`,
        "The recorded run did not end so. Try another browser, or the command line, to tell a faulty engine from a faulty machine.",
      ],
    };
  }
  return outcome.mode === "verify"
    ? judgeVerification(outcome, derivation, cheat)
    : judgeReplay(outcome, derivation, cheat);
}

const cheatHeadline = "Not reproduced: the engine is not what the specification says";

/** Why a closure whose engine poses as compiled has failed; undefined if it has not. */
function pretends(outcome: Outcome, { derivation, reason }: DerivationAnswer): string | undefined {
  if (derivation !== "foreign" || outcome.foreign) return undefined;
  return sentence(reason || "the engine is not declared foreign, but it is not what the specification compiles to");
}

function judgeVerification(outcome: VerifyOutcome, derivation: DerivationAnswer, cheat: string | undefined): Verdict {
  const reasons = cheat ? [cheat] : [];
  for (const { what, claimed, observed } of outcome.digests) {
    if (claimed !== observed) {
      reasons.push(`closure.json says that ${what} has the digest ${claimed}, but what is stored has ${observed}.`);
    }
  }
  const results = outcome.claims.map((c) => claimResult(c, derivation));
  const differing = results.filter((r) => r === "differs").length;
  if (differing > 0)
    reasons.push(
      `${differing} of ${results.length} claims ${differing === 1 ? "differs" : "differ"} from what was computed here.`,
    );
  const reproduced = results.filter((r) => r === "reproduced").length;
  if (reasons.length === 0 && reproduced === 0 && derivation.derivation !== "derived") {
    reasons.push("No claim could be recomputed blindly, and the engine is not known to be derived: nothing is proved.");
  }
  if (reasons.length > 0) {
    const headline = cheat
      ? cheatHeadline
      : differing > 0
        ? "Not reproduced: the claims are not what comes out"
        : "Not reproduced";
    return { kind: "differs", headline, reasons };
  }
  const unproven = results.length - reproduced;
  return {
    kind: "reproduced",
    headline: reproducedHeadline(reproduced),
    reasons: [
      ...(unproven > 0
        ? [
            `${countOf(unproven, "claim")} could not be proved here: a loss counts only where the engine is known to be derived.`,
          ]
        : []),
      ...derivationNote(outcome, derivation),
    ],
  };
}

function reproducedHeadline(claims: number): string {
  if (claims === 0) return "In order: bytes and engine are what they should be; the closure claims nothing";
  if (claims === 1) return "Identical: the claim is exactly what comes out";
  return `Identical: ${countOf(claims, "claim")} came out exactly as stated`;
}

function judgeReplay(outcome: ReplayOutcome, derivation: DerivationAnswer, cheat: string | undefined): Verdict {
  const { difference, run } = outcome;
  if (difference !== undefined) {
    return {
      kind: "differs",
      headline: `Differs first at step ${difference.step}`,
      reasons: [
        ...(cheat ? [cheat] : []),
        `${capital(difference.what)} is recorded as ${difference.recorded}, and came out as ${difference.observed}.`,
      ],
    };
  }
  if (cheat) {
    return {
      kind: "differs",
      headline: cheatHeadline,
      reasons: [
        cheat,
        "It repeats its own journal, which proves nothing: the code is not the one that the specification names.",
      ],
    };
  }
  return { kind: "identical", headline: `Identical: ${run}`, reasons: derivationNote(outcome, derivation) };
}

function derivationNote(outcome: Outcome, { derivation, reason }: DerivationAnswer): string[] {
  if (outcome.foreign) {
    return [
      "The closure declares an engine of its own: what it computes is reproduced, what it is remains its author's word.",
    ];
  }
  if (derivation === "other-compiler") {
    return [
      sentence(
        reason || "the engine was made by another release of the compiler: only what is computed blindly is proved",
      ),
    ];
  }
  if (derivation === "unchecked") {
    return [
      "Whether the engine is what the specification compiles to could not be asked; the command reprise verify checks it.",
    ];
  }
  return [];
}

/** What became of a claim. */
export function claimResult({ claim, observed }: ClaimCheck, { derivation }: DerivationAnswer): ClaimResult {
  if (observed === undefined || (claim.metric === "loss" && derivation !== "derived")) return "unproven";
  const same =
    figureOf(claim) === figureOf(observed) && figureOf(claim) !== undefined && claim.total === observed.total;
  return same ? "reproduced" : "differs";
}

function figureOf({ correct, sum }: Pick<Result, "correct" | "sum">): number | undefined {
  return correct ?? sum;
}

/** Claims as a verification record states them. */
export function claimVerdicts(outcome: Outcome, derivation: DerivationAnswer): ClaimVerdict[] {
  if (outcome.mode === "replay") return [];
  return outcome.claims.map((check) => {
    const { metric, split, correct, sum, total } = check.claim;
    return {
      metric,
      split,
      claimed: { ...(correct !== undefined && { correct }), ...(sum !== undefined && { sum }), total },
      ...(check.observed && { observed: check.observed }),
      verdict: claimResult(check, derivation),
    };
  });
}

/** What was checked, by whom, and what came of it. */
export interface Check {
  readonly what: string;
  readonly where: "in this tab" | "by the server" | "not checked";
  readonly result: "passed" | "failed" | "open";
  readonly detail: string;
}

export function checks(outcome: Outcome, derivation: DerivationAnswer): Check[] {
  const { files, bytes } = outcome.checked;
  const list: Check[] = [
    {
      what: "Bytes",
      where: "in this tab",
      result: outcome.damaged.length > 0 ? "failed" : "passed",
      detail: `${countOf(files, "stored file")} (${megabytes(bytes)}) hashed with SHA-256 and compared with the digests that name them${
        outcome.mode === "replay"
          ? "; the training records as they were read"
          : "; the records that no claim is about are left to a replay"
      }.`,
    },
    derivationCheck(outcome, derivation),
  ];
  if (outcome.mode === "verify") {
    const open = outcome.digests.length === 0;
    list.push({
      what: "Claims",
      where: open ? "not checked" : "in this tab",
      result: open
        ? "open"
        : outcome.claims.every((c) => claimResult(c, derivation) !== "differs")
          ? "passed"
          : "failed",
      detail:
        "Accuracies are counted by this page from predictions that never see a target; losses are the engine's own.",
    });
  } else {
    const { difference, lines, steps, stepsRecorded } = outcome;
    list.push({
      what: "Training",
      where: lines === 0 && difference === undefined ? "not checked" : "in this tab",
      result: difference ? "failed" : steps === stepsRecorded && steps > 0 ? "passed" : "open",
      detail: `${countOf(lines, "line")} of the journal over ${steps} of ${stepsRecorded} steps came out as recorded, byte for byte.`,
    });
  }
  return list;
}

function derivationCheck(outcome: Outcome, answer: DerivationAnswer): Check {
  const what = "Derivation";
  switch (answer.derivation) {
    case "derived":
      return {
        what,
        where: "by the server",
        result: "passed",
        detail:
          "The server compiled the specification again and got this very engine. That is its word; under Claims this tab compiles it, too, and the command reprise verify at home.",
      };
    case "other-compiler":
      return {
        what,
        where: "by the server",
        result: "open",
        detail: sentence(answer.reason || "another release of the compiler made the engine"),
      };
    case "foreign":
      return outcome.foreign
        ? {
            what,
            where: "by the server",
            result: "open",
            detail: "The closure declares an engine that is not compiled from its specification.",
          }
        : { what, where: "by the server", result: "failed", detail: pretends(outcome, answer) ?? "" };
    case "unchecked":
      return {
        what,
        where: "not checked",
        result: "open",
        detail: sentence(answer.reason || "the server did not say"),
      };
  }
}

export function countOf(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? capital(text) : `${capital(text)}.`;
}
