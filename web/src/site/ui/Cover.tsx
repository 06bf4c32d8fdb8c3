import type { ReactNode } from "react";
import { type Box, sparklinePath } from "../charts/sparkline.ts";
import "./cover.css";

interface Props {
  readonly className?: string;
  /** Mean losses, played along the staff at the foot. */
  readonly curve?: readonly number[];
  readonly children: ReactNode;
}

/** The band at the head of a page, as on the covers of scores: one colour, a title, five lines that end in a repeat. */
export function Cover({ className = "", curve = [], children }: Props) {
  return (
    <div className="cover">
      <div className={`cover-inner ${className}`}>{children}</div>
      <Staff curve={curve} />
    </div>
  );
}

/** The curve takes the height of the five lines, and all the room before the repeat. */
const staffBox: Box = { width: 1000, height: 100, margin: 10, end: 10 };

const lines = ["10%", "30%", "50%", "70%", "90%"];

function Staff({ curve }: { readonly curve: readonly number[] }) {
  return (
    <div className="staff">
      <svg className="staff-lines" aria-hidden="true">
        {lines.map((y) => (
          <line key={y} x1="0" x2="100%" y1={y} y2={y} />
        ))}
      </svg>
      <div className="staff-inner">
        <svg
          className="staff-curve"
          viewBox={`0 0 ${staffBox.width} ${staffBox.height}`}
          preserveAspectRatio="none"
          aria-hidden="true"
        >
          <path d={sparklinePath(curve, staffBox)} />
        </svg>
        <svg className="staff-repeat" viewBox="0 0 24 50" aria-hidden="true">
          <circle cx="4" cy="20" r="2.6" />
          <circle cx="4" cy="30" r="2.6" />
          <rect x="11" y="5" width="2" height="40" />
          <rect x="17" y="5" width="6" height="40" />
        </svg>
      </div>
    </div>
  );
}
