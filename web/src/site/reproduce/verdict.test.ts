import { describe, expect, test } from "vitest";
import type { Digest } from "../../gen/schema.ts";
import type { DerivationAnswer, DerivationState } from "../api/types.ts";
import type { ClaimCheck, ReplayOutcome, VerifyOutcome } from "./protocol.ts";
import { checks, claimResult, claimVerdicts, judge } from "./verdict.ts";

const digest = (c: string) => `sha256:${c.repeat(64)}` as Digest;
const says = (derivation: DerivationState, reason = ""): DerivationAnswer => ({ derivation, reason });

function claim(metric: "accuracy" | "loss", claimed: number, observed?: number): ClaimCheck {
  const key = metric === "accuracy" ? "correct" : "sum";
  const base = { metric, dataset: digest("d"), split: "test", step: 9, total: 80 } as const;
  return {
    claim: { ...base, [key]: claimed },
    ...(observed === undefined ? {} : { observed: { [key]: observed, total: 80 } }),
  };
}

const observed = { foreign: false, engine: digest("e"), checked: { files: 9, bytes: 1234 }, damaged: [], seconds: 1 };

function verified(claims: readonly ClaimCheck[], more: Partial<VerifyOutcome> = {}): VerifyOutcome {
  const same = { what: "the run", claimed: digest("a"), observed: digest("a") };
  return { mode: "verify", ...observed, digests: [same], claims, ...more };
}

function replayed(more: Partial<ReplayOutcome> = {}): ReplayOutcome {
  return {
    mode: "replay",
    ...observed,
    steps: 9,
    stepsRecorded: 9,
    lines: 12,
    examples: 99,
    run: digest("a"),
    ...more,
  };
}

const both = [claim("accuracy", 70, 70), claim("loss", 5, 5)];
const difference = { step: 7, what: "loss in the step line", recorded: "1", observed: "2" };

describe("judge", () => {
  test.each([
    ["all claims", verified(both), says("derived"), "reproduced", "Identical: 2 claims came out exactly as stated"],
    [
      "a foreign engine that says so",
      verified(both, { foreign: true }),
      says("foreign"),
      "reproduced",
      "the claim is exactly",
    ],
    ["an engine of another release", verified(both), says("other-compiler", "made by 2"), "reproduced", "Made by 2."],
    ["nobody to ask for derivation", verified(both), says("unchecked"), "reproduced", "could not be asked"],
    ["a changed accuracy", verified([claim("accuracy", 71, 70)]), says("derived"), "differs", "1 of 1 claims differs"],
    ["a changed loss", verified([claim("loss", 6, 5)]), says("derived"), "differs", "1 of 1 claims differs"],
    [
      "a cheat",
      verified([claim("accuracy", 80, 8)]),
      says("foreign", "it is another engine"),
      "differs",
      "It is another engine.",
    ],
    [
      "a cheat with honest claims",
      verified(both),
      says("foreign"),
      "differs",
      "not what the specification compiles to",
    ],
    [
      "parameters that are not the named ones",
      verified(both, { digests: [{ what: "the run", claimed: digest("a"), observed: digest("b") }] }),
      says("derived"),
      "differs",
      `the run has the digest ${digest("a")}, but what is stored has ${digest("b")}`,
    ],
    [
      "a loss alone of a foreign engine",
      verified([claim("loss", 5, 5)], { foreign: true }),
      says("foreign"),
      "differs",
      "nothing is proved",
    ],
    ["no claims of a derived engine", verified([]), says("derived"), "reproduced", "claims nothing"],
    [
      "damage",
      verified([], { damaged: ["test/0: its bytes are x"] }),
      says("foreign"),
      "damaged",
      "test/0: its bytes are x",
    ],
    [
      "an engine that fails",
      verified([], { engineFailure: "predict trapped" }),
      says("derived"),
      "inconclusive",
      "predict trapped.",
    ],
    [
      "a cheat that fails",
      verified([], { engineFailure: "predict trapped" }),
      says("foreign"),
      "differs",
      "not declared foreign",
    ],
    ["a replay", replayed(), says("derived"), "identical", digest("a")],
    [
      "a replay that differs",
      replayed({ difference }),
      says("derived"),
      "differs",
      "Loss in the step line is recorded as 1, and came out as 2.",
    ],
    ["the step of a difference", replayed({ difference }), says("derived"), "differs", "Differs first at step 7"],
    ["a cheat that replays", replayed(), says("foreign"), "differs", "proves nothing"],
    ["a foreign engine that replays", replayed({ foreign: true }), says("foreign"), "identical", "its author's word"],
  ] as const)("%s", (_, outcome, derivation, kind, text) => {
    const verdict = judge(outcome, derivation);
    expect(verdict.kind).toBe(kind);
    expect([verdict.headline, ...verdict.reasons].join("\n")).toContain(text);
  });
});

describe("claimResult", () => {
  test.each([
    ["an accuracy that is the same", claim("accuracy", 70, 70), "foreign", "reproduced"],
    ["an accuracy that is not", claim("accuracy", 70, 69), "derived", "differs"],
    ["nothing computed", claim("accuracy", 70), "derived", "unproven"],
    ["a loss of a derived engine", claim("loss", 0, 0), "derived", "reproduced"],
    ["a loss of any other", claim("loss", 5, 5), "other-compiler", "unproven"],
  ] as const)("%s", (_, check, derivation, expected) => {
    expect(claimResult(check, says(derivation))).toBe(expected);
  });

  test("another total is another value", () => {
    const { claim: c } = claim("accuracy", 70);
    expect(claimResult({ claim: c, observed: { correct: 70, total: 81 } }, says("derived"))).toBe("differs");
  });
});

test("claims go into records as they were stated and found", () => {
  expect(claimVerdicts(verified(both), says("foreign"))).toEqual([
    {
      metric: "accuracy",
      split: "test",
      claimed: { correct: 70, total: 80 },
      observed: { correct: 70, total: 80 },
      verdict: "reproduced",
    },
    {
      metric: "loss",
      split: "test",
      claimed: { sum: 5, total: 80 },
      observed: { sum: 5, total: 80 },
      verdict: "unproven",
    },
  ]);
  expect(claimVerdicts(replayed(), says("derived"))).toEqual([]);
});

describe("checks", () => {
  test.each([
    [
      "a verification",
      verified(both),
      says("derived"),
      ["passed in this tab", "passed by the server", "passed in this tab"],
    ],
    ["a cheat", verified(both), says("foreign"), ["passed in this tab", "failed by the server", "passed in this tab"]],
    [
      "a changed claim",
      verified([claim("accuracy", 7, 8)]),
      says("derived"),
      ["passed in this tab", "passed by the server", "failed in this tab"],
    ],
    [
      "damage",
      verified([], { damaged: ["x"], digests: [] }),
      says("unchecked"),
      ["failed in this tab", "open not checked", "open not checked"],
    ],
    [
      "a replay",
      replayed(),
      says("other-compiler"),
      ["passed in this tab", "open by the server", "passed in this tab"],
    ],
    [
      "a replay that differs",
      replayed({ difference, steps: 6 }),
      says("derived"),
      ["passed in this tab", "passed by the server", "failed in this tab"],
    ],
    [
      "a replay that was cut short",
      replayed({ steps: 0, lines: 0 }),
      says("derived"),
      ["passed in this tab", "passed by the server", "open not checked"],
    ],
  ] as const)("of %s", (_, outcome, derivation, expected) => {
    expect(checks(outcome, derivation).map((c) => `${c.result} ${c.where}`)).toEqual(expected);
  });
});
