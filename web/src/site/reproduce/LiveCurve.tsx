import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "../charts/plot.css";
import { isWide, logarithmic } from "../charts/scale.ts";
import { useTheme } from "../state/react.ts";
import type { CurvePoint } from "./curve.ts";

interface Props {
  readonly recorded: readonly CurvePoint[];
  readonly live: readonly CurvePoint[];
  /** What the chart shows, for those who cannot see it. */
  readonly label: string;
}

const height = 300;

/** Two curves over the same steps. New points are added to the drawing, which is not made anew. */
export default function LiveCurve({ recorded, live, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = useRef<uPlot.AlignedData>([[]]);
  data.current = align(recorded, live);
  const theme = useTheme();

  // biome-ignore lint/correctness/useExhaustiveDependencies: a canvas knows no CSS: another theme is another drawing.
  useEffect(() => {
    const target = place.current;
    if (target === null) return;
    const drawn = new uPlot(optionsFor(target, isWide(recorded.map((p) => p.loss))), data.current, target);
    plot.current = drawn;
    const observer = new ResizeObserver(() => drawn.setSize({ width: target.clientWidth, height }));
    observer.observe(target);
    return () => {
      observer.disconnect();
      drawn.destroy();
    };
  }, [theme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the data follow from these.
  useEffect(() => plot.current?.setData(data.current), [recorded, live]);
  return <div className="plot" ref={place} role="img" aria-label={label} />;
}

/** Both curves are thinned alike, so their points share their steps; a replay that differs has no point of its own then. */
function align(recorded: readonly CurvePoint[], live: readonly CurvePoint[]): uPlot.AlignedData {
  const losses = new Map(live.map((p) => [p.step, p.loss]));
  return [recorded.map((p) => p.step), recorded.map((p) => p.loss), recorded.map((p) => losses.get(p.step) ?? null)];
}

function optionsFor(target: HTMLElement, wide: boolean): uPlot.Options {
  const font = `12px ${getComputedStyle(target).fontFamily}`;
  const axis = { stroke: color(target, "--soft"), font, labelFont: font, ticks: { stroke: color(target, "--line") } };
  const value = (_: uPlot, v: number | null) => (v === null ? "–" : v.toPrecision(4));
  const line = { spanGaps: true, points: { show: false }, value }; // a step that has no loss is no gap in a curve
  return {
    width: target.clientWidth,
    height,
    scales: { x: { time: false }, y: wide ? logarithmic : {} },
    axes: [
      { ...axis, label: "step", grid: { show: false }, space: 40 },
      {
        ...axis,
        label: wide ? "training loss, logarithmic" : "training loss",
        grid: { stroke: color(target, "--staff"), width: 1 },
      },
    ],
    series: [
      { label: "step", value: (_, v) => (v === null ? "–" : String(v)) },
      { ...line, label: "published", stroke: color(target, "--edge"), width: 5, alpha: 0.4 },
      { ...line, label: "here", stroke: color(target, "--accent-strong"), width: 1.5 },
    ],
  };
}

/** A custom property as a canvas understands it: light-dark() is resolved by the browser alone. */
function color(target: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  target.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
