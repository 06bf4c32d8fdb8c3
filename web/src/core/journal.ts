// The journal of a run: everything that a replay must reproduce, byte for byte.

import type { JournalLine, JournalLineEvaluation } from "../gen/schema.ts";
import { type Closure, type Decisions, noDecisions } from "./documents.ts";
import { canonical } from "./json.ts";
import type { Run } from "./run.ts";

/** Writes a line as a journal's file holds it. */
export function lineText(line: JournalLine): string {
  return `${canonical(line)}\n`;
}

/**
 * Trains a closure from its seed and yields its journal: the header, then per step the events that take effect before
 * it, its counts, and, where the algorithm asks for an evaluation and at the end, that and the digests. Leaving the loop
 * stops the run.
 */
export async function* trainJournal(
  run: Run,
  closure: Closure,
  decisions: Decisions = noDecisions,
): AsyncGenerator<JournalLine, void, void> {
  const { specification, engine } = closure;
  const { seed, steps, evaluate } = closure.algorithm;
  yield { type: "header", step: 0, specification, engine, seed };
  for await (const line of run.train(steps, decisions)) {
    yield* decisions.events.filter((e) => e.step === line.step);
    yield line;
    if (line.step !== steps && !(evaluate && line.step % evaluate.every === 0)) continue;
    if (run.plan.records.test) yield await evaluation(run, line.step, run.plan.records.test.split);
    yield { type: "checkpoint", step: line.step, ...(await run.digests()) };
  }
}

/** Counts what the host can count itself, and only where there is nothing such, what the engine's evaluate computes. */
async function evaluation(run: Run, step: number, split: string): Promise<JournalLineEvaluation> {
  if (run.isBlind("test")) {
    const { correct, total } = await run.evaluate("test");
    return { type: "evaluation", step, split, examples: total, correct };
  }
  const { count = 0, loss } = await run.measure("test");
  return { type: "evaluation", step, split, examples: count, ...(loss === undefined ? {} : { loss }) };
}
