// The curve of a training, thinned to what a chart can show. The published one and the new one are thinned alike, so
// equal journals draw equal curves.

import type { JournalLineStep } from "../../gen/schema.ts";

export interface CurvePoint {
  /** The last of the steps that the point stands for. */
  readonly step: number;
  /** Means over their examples. */
  readonly loss: number;
  readonly accuracy: number | null;
}

const mostPoints = 400;

/** The fixed point of a loss in a journal. */
export const lossUnit = 2 ** -20;

export class CurveBuilder {
  readonly #every: number;
  readonly #steps: number;
  #loss = 0;
  #correct = 0;
  #counted = true;
  #examples = 0;

  constructor(steps: number) {
    this.#steps = steps;
    this.#every = Math.ceil(steps / mostPoints);
  }

  /** Takes the next step, and returns a point if it completes one. A step without a loss makes no point. */
  add(line: Pick<JournalLineStep, "step" | "examples" | "loss" | "correct">): CurvePoint | undefined {
    if (line.loss === undefined) return undefined;
    this.#loss += line.loss;
    this.#examples += line.examples;
    this.#correct += line.correct ?? 0;
    this.#counted &&= line.correct !== undefined;
    if (line.step % this.#every !== 0 && line.step !== this.#steps) return undefined;
    const point = {
      step: line.step,
      loss: (this.#loss * lossUnit) / Math.max(1, this.#examples),
      accuracy: this.#counted ? this.#correct / Math.max(1, this.#examples) : null,
    };
    this.#loss = this.#correct = this.#examples = 0;
    this.#counted = true;
    return point;
  }
}

/** The curve of a journal's text. Lines that are no steps, or nothing that can be read, make no points. */
export function recordedCurve(journal: string, steps: number): CurvePoint[] {
  const builder = new CurveBuilder(steps);
  const points: CurvePoint[] = [];
  for (const text of journal.split("\n")) {
    if (!text.includes('"type":"step"')) continue;
    const line = stepOf(text);
    const point = line && builder.add(line);
    if (point) points.push(point);
    if (points.length > mostPoints) break; // a journal that says a step twice is not worth drawing
  }
  return points;
}

function stepOf(text: string): Pick<JournalLineStep, "step" | "examples" | "loss" | "correct"> | undefined {
  try {
    const line = JSON.parse(text) as Record<string, unknown>;
    const number = (key: string) => (typeof line[key] === "number" ? (line[key] as number) : undefined);
    const [step, examples, loss, correct] = [number("step"), number("examples"), number("loss"), number("correct")];
    if (step === undefined || examples === undefined) return undefined;
    return { step, examples, ...(loss !== undefined && { loss }), ...(correct !== undefined && { correct }) };
  } catch {
    return undefined;
  }
}
