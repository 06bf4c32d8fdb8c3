import { lazy, Suspense, useMemo } from "react";
import type { ClosureDetail, Curve, CurveEvaluation } from "../api/types.ts";
import type { Line } from "../charts/Plot.tsx";
import { isWide } from "../charts/scale.ts";
import { count, percent } from "../state/format.ts";
import { useLoaded } from "../state/react.ts";
import { Boundary } from "../ui/Boundary.tsx";
import { Card } from "../ui/Card.tsx";
import { Figure } from "../ui/Figure.tsx";
import { Failed } from "../ui/Status.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";

const Plot = lazy(() => import("../charts/Plot.tsx").then((m) => ({ default: m.Plot })));

/** Points that a curve is asked for: more than the chart has pixels would not be seen. */
const points = 400;

/** Loads the curve of a closure. */
export function useCurve({ reference: { name, digest } }: ClosureDetail) {
  return useLoaded(`${name}@${digest}`, (api, ref, signal) => api.curve(ref, points, signal));
}

type LoadedCurve = ReturnType<typeof useCurve>;

/** How the training went, as the journal has it. */
export function Training({ curve: { value, error, retry } }: { readonly curve: LoadedCurve }) {
  return (
    <Card id="training" title="Training">
      <div className="closure-curve">
        {error !== undefined && <Failed error={error} retry={retry} />}
        {value !== undefined && <CurveFigure curve={value} />}
      </div>
    </Card>
  );
}

function CurveFigure({ curve }: { readonly curve: Curve }) {
  const { x, lines } = useMemo(() => linesOf(curve), [curve]);
  if (x.length === 0) return <p className="soft">The journal has no steps to draw.</p>;
  const first = curve.points[0];
  const last = curve.points.at(-1);
  const wide = isWide(curve.points.map((p) => p.loss));
  const summary = `From step ${first?.step} to ${last?.step}, mean loss from ${figure(first?.loss)} to ${figure(last?.loss)}`;
  return (
    <>
      <Figure caption={`${summary}.`}>
        <Boundary>
          <Suspense fallback={<div className="closure-plot-place" />}>
            <Plot
              label={`Training curve. ${summary}`}
              x={x}
              xLabel="Step"
              leftLabel={wide ? "Mean loss, logarithmic" : "Mean loss"}
              leftLogarithmic={wide}
              rightLabel="Accuracy"
              lines={lines}
            />
          </Suspense>
        </Boundary>
      </Figure>
      {curve.evaluations.length > 0 && <Evaluations evaluations={curve.evaluations} />}
    </>
  );
}

/** Most evaluations that are listed. */
const listed = 12;

function Evaluations({ evaluations }: { readonly evaluations: readonly CurveEvaluation[] }) {
  return (
    <Table
      caption={
        evaluations.length > listed ? `The last ${listed} evaluations of the journal` : "Evaluations of the journal"
      }
      captioned
      columns={[
        { name: "Step", cell: (e: CurveEvaluation) => count(e.step), numeric: true },
        { name: "Split", cell: (e) => <Text max={40}>{e.split}</Text> },
        { name: "Correct", cell: (e) => `${count(e.correct)} of ${count(e.total)}`, numeric: true },
        { name: "That is", cell: (e) => percent(e.correct, e.total), numeric: true },
      ]}
      rows={evaluations.slice(-listed)}
      rowKey={(e) => `${e.step} ${e.split}`}
    />
  );
}

function figure(value: number | null | undefined): string {
  return value === null || value === undefined ? "none" : value.toPrecision(3);
}

/** The lines of the chart over all steps at which any of them has a value. */
function linesOf({ points, evaluations }: Curve): { x: number[]; lines: Line[] } {
  const x = [...new Set([...points, ...evaluations].map((p) => p.step))].sort((a, b) => a - b);
  const at = new Map(x.map((step, i) => [step, i]));
  const spread = <P extends { readonly step: number }>(of: readonly P[], value: (p: P) => number | null) => {
    const values = new Array<number | null>(x.length).fill(null);
    for (const p of of) values[at.get(p.step) ?? 0] = value(p);
    return values;
  };
  const lines: Line[] = [{ label: "Loss", color: "--accent", axis: "left", values: spread(points, (p) => p.loss) }];
  if (points.some((p) => p.accuracy !== null)) {
    const values = spread(points, (p) => p.accuracy);
    lines.push({ label: "Accuracy, training", color: "--good", axis: "right", dashed: true, values });
  }
  for (const split of new Set(evaluations.map((e) => e.split))) {
    const values = spread(
      evaluations.filter((e) => e.split === split),
      (e) => e.correct / e.total,
    );
    lines.push({ label: `Accuracy, ${split.slice(0, 40)}`, color: "--bad", axis: "right", points: true, values });
  }
  return { x, lines };
}
