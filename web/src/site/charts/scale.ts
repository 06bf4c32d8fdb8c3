/** Whether values are better seen on a logarithmic axis: all are above zero, and they span more than a decade. */
export function isWide(values: readonly (number | null)[]): boolean {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const v of values) {
    if (v === null) continue;
    least = Math.min(least, v);
    most = Math.max(most, v);
  }
  return least > 0 && most > 10 * least;
}

/** uPlot's kinds of scales. */
export const logarithmic = { distr: 3 } as const;
