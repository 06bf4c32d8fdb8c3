// What a model says, in the order in which people want to hear it.

export interface Guess {
  readonly index: number;
  /** A probability where the loss is a cross-entropy; else whatever the last layer gives. */
  readonly value: number;
}

/** The k largest outputs, largest first, ties by index. What is no number comes last. */
export function topGuesses(outputs: ArrayLike<number>, k: number): Guess[] {
  const rank = (v: number) => (Number.isNaN(v) ? -Infinity : v);
  return Array.from(outputs, (value, index) => ({ index, value }))
    .sort((a, b) => rank(b.value) - rank(a.value) || a.index - b.index)
    .slice(0, k);
}
