import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useTheme } from "../state/react.ts";
import "./plot.css";
import { logarithmic } from "./scale.ts";

export interface Line {
  readonly label: string;
  /** A custom property with its colour: "--accent". */
  readonly color: `--${string}`;
  readonly axis: "left" | "right";
  /** One for each x; null where there is none. */
  readonly values: readonly (number | null)[];
  readonly dashed?: boolean;
  /** Marks instead of a line. */
  readonly points?: boolean;
}

interface Props {
  /** What the chart shows, for those who cannot see it. */
  readonly label: string;
  readonly x: readonly number[];
  readonly xLabel: string;
  readonly leftLabel: string;
  /** The left axis shows factors: all its values are above zero. */
  readonly leftLogarithmic?: boolean;
  readonly rightLabel?: string;
  readonly lines: readonly Line[];
}

/** Height of the drawing, in pixels. The box is reserved before the drawing is there. */
const height = 300;

/** Lines over steps, with a legend that follows the pointer. */
export function Plot({ label, x, xLabel, leftLabel, leftLogarithmic = false, rightLabel, lines }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a canvas knows no CSS: another theme is another drawing.
  useEffect(() => {
    const target = place.current;
    if (target === null) return;
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    let plot = draw(target);
    function draw(into: HTMLDivElement): uPlot {
      const options = plotOptions(into, {
        xLabel,
        leftLabel,
        leftLogarithmic,
        lines,
        ...(rightLabel && { rightLabel }),
      });
      return new uPlot(options, [[...x], ...lines.map((l) => [...l.values])] as uPlot.AlignedData, into);
    }
    const redraw = () => {
      plot.destroy();
      plot = draw(target);
    };
    scheme.addEventListener("change", redraw);
    const observer = new ResizeObserver(() => plot.setSize({ width: target.clientWidth, height }));
    observer.observe(target);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", redraw);
      plot.destroy();
    };
  }, [x, lines, xLabel, leftLabel, leftLogarithmic, rightLabel, theme]);
  return <div className="plot" ref={place} role="img" aria-label={label} />;
}

type Shown = Pick<Props, "xLabel" | "leftLabel" | "leftLogarithmic" | "rightLabel" | "lines">;

function plotOptions(
  target: HTMLElement,
  { xLabel, leftLabel, leftLogarithmic, rightLabel, lines }: Shown,
): uPlot.Options {
  const style = getComputedStyle(target);
  const color = (name: string) => resolve(target, name);
  const font = `12px ${style.fontFamily}`;
  const axis = { stroke: color("--soft"), font, labelFont: font, ticks: { stroke: color("--line") } };
  const grid = { stroke: color("--staff"), width: 1 };
  return {
    width: target.clientWidth,
    height,
    scales: { x: { time: false }, left: leftLogarithmic ? logarithmic : {}, right: { range: [0, 1] } },
    cursor: { drag: { x: true, y: false } },
    axes: [
      { ...axis, label: xLabel, grid: { show: false }, space: 40 },
      { ...axis, scale: "left", label: leftLabel, grid },
      ...(rightLabel === undefined
        ? []
        : [{ ...axis, scale: "right", label: rightLabel, side: 1 as const, grid: { show: false }, values: asPercent }]),
    ],
    series: [
      { label: xLabel, value: (_: uPlot, v: number | null) => (v === null ? "–" : String(v)) },
      ...lines.map((line) => ({
        label: line.label,
        scale: line.axis,
        stroke: color(line.color),
        width: line.points ? 0 : 1.75,
        spanGaps: true, // an evaluation between two points of a curve is no gap in it
        ...(line.dashed && { dash: [6, 5] }),
        points: line.points ? { show: true, size: 9, fill: color(line.color) } : { show: false },
        value: (_: uPlot, v: number | null) => (v === null ? "–" : v.toPrecision(4)),
      })),
    ],
  };
}

function asPercent(_: uPlot, splits: number[]): string[] {
  return splits.map((v) => `${Math.round(v * 100)} %`);
}

/** The colour of a custom property as a canvas understands it: light-dark() is resolved by the browser alone. */
function resolve(target: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  target.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
