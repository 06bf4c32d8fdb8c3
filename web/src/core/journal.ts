// The journal of a run: everything that a replay must reproduce, byte for byte.

import type { JournalLine, JournalLineEvaluation } from "../gen/schema.ts";
import { type Closure, type Decisions, noDecisions } from "./documents.ts";
import { canonical } from "./json.ts";
import type { Stage } from "./plan.ts";
import type { Run } from "./run.ts";

/** The engine that begins, at step 0. */
type Began = Pick<Stage, "engine" | "algorithm">;

/** Writes a line as a journal's file holds it. */
export function lineText(line: JournalLine): string {
  return `${canonical(line)}\n`;
}

/**
 * Trains a closure from its seed and yields its journal: the header, then per step the events that take effect before
 * it, its counts, and, where the algorithm asks for an evaluation and at the end, that and the digests. Leaving the loop
 * stops the run. It begins with the first stage's engine, whose plan the run has opened, and goes on with the others'.
 */
export async function* trainJournal(
  run: Run,
  closure: Closure,
  decisions: Decisions = noDecisions,
  [began, ...changes]: readonly [Began, ...Stage[]] = [closure],
): AsyncGenerator<JournalLine, void, void> {
  const { seed, steps } = closure.algorithm;
  yield { type: "header", step: 0, specification: closure.specification, engine: began.engine, seed };
  if (closure.imported !== undefined) {
    yield { type: "event", event: "parameters", step: 0, parameters: closure.imported };
  }
  const reckoning = async function* (step: number): AsyncGenerator<JournalLine, void, void> {
    if (run.plan.records.test) yield await evaluation(run, step, run.plan.records.test.split);
    yield { type: "checkpoint", step, ...(await run.digests()) };
  };
  let { evaluate } = began.algorithm;
  for await (const line of run.train(steps, decisions, changes)) {
    for (const { step, engine, algorithm } of changes.filter((each) => each.step === line.step)) {
      evaluate = algorithm.evaluate;
      yield { type: "event", event: "engine", step, engine };
    }
    yield* decisions.events.filter((e) => e.step === line.step);
    yield line;
    if (line.step !== steps && !(evaluate && line.step % evaluate.every === 0)) continue;
    yield* reckoning(line.step);
  }
  if (steps === 0) yield* reckoning(0);
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
