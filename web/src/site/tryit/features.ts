// Sliders for the features of a table: how far they go, and how finely.

export interface Slider {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** Where it stands at first. */
  readonly start: number;
}

export interface Statistics {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** How many deviations from the mean a slider goes where no row goes further. */
const reach = 2.5;

/** Makes a slider for each feature from rows of values and, where the dataset has them, its statistics. */
export function slidersOf(
  rows: readonly ArrayLike<number>[],
  features: number,
  names: readonly string[],
  statistics?: Statistics,
): Slider[] {
  return Array.from({ length: features }, (_, i) => {
    const values = rows.map((row) => row[i] as number).filter(Number.isFinite);
    const mean = statistics?.mean[i] ?? values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
    const deviation = statistics?.deviation[i] ?? 0;
    const lowest = Math.min(...values, mean);
    const highest = Math.max(...values, mean);
    const whole = values.length > 0 && values.every(Number.isInteger);
    // Where no row is negative, such as for lengths, a slider is not either.
    const low = lowest >= 0 ? Math.max(0, mean - reach * deviation) : mean - reach * deviation;
    const [min, max] = [Math.min(lowest, low), Math.max(highest, mean + reach * deviation)];
    const step = whole ? 1 : fineStep(max - min);
    const snap = (v: number, round: (v: number) => number) => tidy(round(v / step) * step);
    return {
      name: names[i] || `feature ${i + 1}`,
      min: snap(min, Math.floor),
      max: max > min ? snap(max, Math.ceil) : tidy(min + step),
      step,
      start: snap(mean, Math.round),
    };
  });
}

/** A power of ten that divides a range into 100 to 1000 steps. */
function fineStep(range: number): number {
  return range > 0 ? 10 ** Math.floor(Math.log10(range) - 2) : 1;
}

/** Takes away what the binary point left over. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}
