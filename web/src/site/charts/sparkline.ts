// A little curve: points of an SVG path. The server draws those of cards (api/cards.go).

export interface Box {
  readonly width: number;
  readonly height: number;
  /** Room above, below and before the curve. */
  readonly margin: number;
  /** Room behind it. */
  readonly end: number;
}

/**
 * A path through the losses, on a logarithmic scale, because losses fall by factors. Values that are no positive numbers
 * are left out; fewer than two leave nothing to draw.
 */
export function sparklinePath(curve: readonly number[], { width, height, margin, end }: Box): string {
  const values = curve.filter((v) => Number.isFinite(v) && v > 0).map(Math.log);
  if (values.length < 2) return "";
  const low = Math.min(...values);
  const range = Math.max(...values) - low || 1;
  return values
    .map((v, i) => {
      const x = (i / (values.length - 1)) * (width - margin - end) + margin;
      const y = height - margin - ((v - low) / range) * (height - 2 * margin);
      return `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}
