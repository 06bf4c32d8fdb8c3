import { describe, expect, test } from "vitest";
import type { Digest } from "../../gen/schema.ts";
import type { ReplayOutcome, VerifyOutcome } from "./protocol.ts";
import { type Circumstances, figures, markdown, report, verificationRequest } from "./report.ts";

const digest = `sha256:${"a".repeat(64)}` as Digest;
const around: Circumstances = {
  closure: { name: "glyphs", version: "1.0.0", digest },
  derivation: { derivation: "derived", reason: "" },
  runtime: { browser: "Firefox 140", os: "Linux", workers: 2 },
  made: new Date("2026-01-02T03:04:05Z"),
};
const observed = { foreign: false, engine: digest, checked: { files: 1, bytes: 10 }, damaged: [], seconds: 1.23456 };
const replayed: ReplayOutcome = {
  mode: "replay",
  ...observed,
  steps: 9,
  stepsRecorded: 9,
  lines: 12,
  examples: 1,
  run: digest,
};
const verified: VerifyOutcome = {
  mode: "verify",
  ...observed,
  digests: [{ what: "the run", claimed: digest, observed: digest }],
  claims: [
    {
      claim: { metric: "accuracy", dataset: digest, split: "te|st\n# <b>", step: 9, correct: 70, total: 80 },
      observed: { correct: 69, total: 80 },
    },
  ],
};

describe("report", () => {
  test("of a replay has its run and its steps, and is unsigned", () => {
    const r = report(replayed, around);
    expect(r).toMatchObject({ verdict: "identical", run: digest, steps: 9, signed: false, seconds: 1.235 });
    expect(JSON.parse(JSON.stringify(r))).toEqual(r);
    expect(verificationRequest(r)).toEqual({
      closure: digest,
      mode: "replay",
      verdict: "identical",
      claims: [],
      run: digest,
      runtime: around.runtime,
      steps: 9,
    });
  });

  test("as Markdown, in which a stranger's text means nothing", () => {
    const text = markdown(report(verified, around), "https://zoo.example/c/glyphs@x");
    expect(text).toContain("# Verification of glyphs 1.0.0");
    expect(text).toContain("| accuracy | te\\|st \\# \\<b\\> | 70/80 | 69/80 | differs |");
    expect(text).toContain("Page: <https://zoo.example/c/glyphs@x>");
    expect(text).toContain("unsigned");
  });

  test("a verdict that is none is not left", () => {
    expect(verificationRequest(report({ ...verified, engineFailure: "trap" }, around))).toBeUndefined();
  });

  test.each([
    [{ correct: 1, total: 2 }, "1/2"],
    [{ sum: -3, total: 2 }, "-3·2⁻²⁰/2"],
    [{ total: 2 }, "–"],
    [undefined, "–"],
  ])("writes %o as %s", (value, expected) => {
    expect(figures(value)).toBe(expected);
  });
});
