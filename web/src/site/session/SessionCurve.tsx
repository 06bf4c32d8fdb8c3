import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "../charts/plot.css";
import { isWide, logarithmic } from "../charts/scale.ts";
import { useTheme } from "../state/react.ts";
import type { SessionPoint } from "./types.ts";

const height = 300;

/** Loss and test error as they come. New points are added to the drawing, which is not made anew. */
export default function SessionCurve({ points }: { readonly points: readonly SessionPoint[] }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = useRef<uPlot.AlignedData>([[]]);
  data.current = aligned(points);
  // A training may come to span decades while one looks on: then it is drawn anew.
  const wide = isWide(points.map((p) => p.loss ?? null));
  const theme = useTheme();

  // biome-ignore lint/correctness/useExhaustiveDependencies: a canvas knows no CSS: another theme is another drawing.
  useEffect(() => {
    const target = place.current;
    if (target === null) return;
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => {
      plot.current = new uPlot(optionsFor(target, wide), data.current, target);
    };
    const redraw = () => {
      plot.current?.destroy();
      draw();
    };
    draw();
    scheme.addEventListener("change", redraw);
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: target.clientWidth, height }));
    observer.observe(target);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", redraw);
      plot.current?.destroy();
    };
  }, [theme, wide]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the data follow from the points.
  useEffect(() => plot.current?.setData(data.current), [points]);
  return <div className="plot" ref={place} role="img" aria-label={describe(points)} />;
}

function aligned(points: readonly SessionPoint[]): uPlot.AlignedData {
  return [
    points.map((p) => p.step),
    points.map((p) => p.loss ?? null),
    points.map((p) => (p.test === undefined ? null : 1 - p.test)),
  ];
}

/** What the chart shows, for those who cannot see it. */
export function describe(points: readonly SessionPoint[]): string {
  const losses = points.filter((p) => p.loss !== undefined);
  const tests = points.filter((p) => p.test !== undefined);
  const [first, last, test] = [losses[0], losses.at(-1), tests.at(-1)];
  if (first === undefined || last === undefined) return "No steps yet";
  const loss = `Training loss from ${first.loss?.toPrecision(3)} at step ${first.step} to ${last.loss?.toPrecision(3)} at step ${last.step}`;
  return test?.test === undefined
    ? loss
    : `${loss}; test error ${((1 - test.test) * 100).toFixed(1)} % at step ${test.step}`;
}

function optionsFor(target: HTMLElement, wide: boolean): uPlot.Options {
  const font = `12px ${getComputedStyle(target).fontFamily}`;
  const axis = { stroke: color(target, "--soft"), font, labelFont: font, ticks: { stroke: color(target, "--line") } };
  const percent = (v: number) => `${(v * 100).toPrecision(3)} %`;
  return {
    width: target.clientWidth,
    height,
    scales: {
      x: { time: false },
      y: wide ? logarithmic : {},
      error: { range: (_, __, most) => [0, Math.min(1, (most || 1) * 1.1)] },
    },
    axes: [
      { ...axis, label: "step", grid: { show: false }, space: 40 },
      {
        ...axis,
        label: wide ? "training loss, logarithmic" : "training loss",
        grid: { stroke: color(target, "--staff"), width: 1 },
      },
      {
        ...axis,
        scale: "error",
        side: 1,
        label: "test error",
        grid: { show: false },
        values: (_, all) => all.map(percent),
      },
    ],
    series: [
      { label: "step", value: (_, v) => (v === null ? "–" : String(v)) },
      {
        label: "training loss",
        stroke: color(target, "--accent"),
        width: 1.75,
        spanGaps: true, // an evaluation between two steps is no gap in their curve
        points: { show: false },
        value: (_, v) => (v === null ? "–" : v.toPrecision(4)),
      },
      {
        label: "test error",
        scale: "error",
        stroke: color(target, "--bad"),
        width: 1.5,
        spanGaps: true,
        points: { show: true, size: 6, fill: color(target, "--bad") },
        value: (_, v) => (v === null ? "–" : percent(v)),
      },
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
