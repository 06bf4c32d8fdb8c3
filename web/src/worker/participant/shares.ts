// How a range is divided among workers: by their speeds, in the same order every time, so that a worker stays near the
// records it has.

export interface Range {
  readonly first: number;
  readonly end: number;
}

/** Divides a range into as many neighbouring ones as there are speeds; some may be empty. */
export function divide({ first, end }: Range, speeds: readonly number[]): Range[] {
  const known = speeds.filter((s) => s > 0);
  // A worker of unknown speed is taken for one as the others are.
  const usual = known.length === 0 ? 1 : known.reduce((a, b) => a + b, 0) / known.length;
  const weights = speeds.map((s) => (s > 0 ? s : usual));
  const sum = weights.reduce((a, b) => a + b, 0);
  let before = 0;
  const cut = (w: number) => first + Math.round(((end - first) * w) / sum);
  return weights.map((w) => {
    const range = { first: cut(before), end: cut(before + w) };
    before += w;
    return range;
  });
}

/** A mean in which the newest counts most: a phone that gets warm is given less. */
export function smoothed(old: number, now: number): number {
  return old === 0 ? now : old + 0.3 * (now - old);
}
