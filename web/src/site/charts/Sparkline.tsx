import { box, sparklinePath, staff } from "./sparkline.ts";
import "./sparkline.css";

interface Props {
  readonly curve: readonly number[];
  /** Ends the staff with a repeat: somebody has played it again. */
  readonly repeat: boolean;
}

/** A training's loss, drawn on a staff. */
export function Sparkline({ curve, repeat }: Props) {
  const path = sparklinePath(curve);
  const finite = curve.filter(Number.isFinite);
  const label = path
    ? `Training loss from ${finite[0]?.toPrecision(3)} to ${finite.at(-1)?.toPrecision(3)}`
    : "No training curve";
  return (
    <svg className="sparkline" viewBox={`0 0 ${box.width} ${box.height}`} role="img" aria-label={label}>
      {staff.map((y) => (
        <line key={y} x1="0" x2={box.width} y1={y} y2={y} />
      ))}
      <path d={path} />
      {repeat && (
        <g>
          <circle cx="298" cy="29" r="2.8" />
          <circle cx="298" cy="43" r="2.8" />
          <rect x="305" y="8" width="2" height="56" />
          <rect x="311" y="8" width="6" height="56" />
        </g>
      )}
    </svg>
  );
}
