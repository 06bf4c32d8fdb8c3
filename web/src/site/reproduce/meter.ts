// Progress, told often enough to look alive and seldom enough to cost nothing.

import type { Gate } from "./gate.ts";
import type { Phase, Progress } from "./protocol.ts";

/** Seconds between two reports. */
const interval = 0.2;

export class Meter {
  readonly #phase: Phase;
  readonly #unit: Progress["unit"];
  readonly #total: number;
  readonly #gate: Pick<Gate, "seconds">;
  readonly #report: (progress: Progress) => void;
  readonly #began: number;
  #told: number;
  #done = 0;

  constructor(
    gate: Pick<Gate, "seconds">,
    phase: Phase,
    unit: Progress["unit"],
    total: number,
    report: (progress: Progress) => void,
  ) {
    this.#gate = gate;
    this.#phase = phase;
    this.#unit = unit;
    this.#total = total;
    this.#report = report;
    this.#began = gate.seconds;
    this.#told = this.#began;
    this.#tell(0);
  }

  /** Says how much is done; returns whether that was passed on. */
  reached(done: number): boolean {
    this.#done = done;
    const now = this.#gate.seconds;
    if (now - this.#told < interval && done < this.#total) return false;
    this.#told = now;
    this.#tell(now - this.#began);
    return true;
  }

  add(amount: number): boolean {
    return this.reached(this.#done + amount);
  }

  #tell(seconds: number): void {
    const perSecond = seconds > 0 ? this.#done / seconds : 0;
    this.#report({ phase: this.#phase, done: this.#done, total: this.#total, unit: this.#unit, perSecond });
  }
}

/** Seconds that are left, or undefined while nobody can know. */
export function secondsLeft({ done, total, perSecond }: Progress): number | undefined {
  return perSecond > 0 ? (total - done) / perSecond : undefined;
}
