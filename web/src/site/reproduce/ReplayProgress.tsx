import { lazy, memo, Suspense } from "react";
import { count } from "../state/format.ts";
import { Card } from "../ui/Card.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Figure } from "../ui/Figure.tsx";
import { Table } from "../ui/Table.tsx";
import type { Job } from "./job.ts";

const LiveCurve = lazy(() => import("./LiveCurve.tsx"));

type Props = Pick<Job, "recorded" | "live" | "checkpoints">;

/** The new curve over the published one, and the checkpoints that were reached. */
export function ReplayProgress({ recorded, live, checkpoints }: Props) {
  const label = `Training loss of ${count(recorded.length)} published points; ${count(live.length)} are recomputed so far.`;
  return (
    <Card title="Training, then and now" level={3}>
      <Figure caption="Thick and pale: as published. Thin and dark: as computed here. Where they coincide, they are the same numbers.">
        <Suspense fallback={<div className="plot" />}>
          <LiveCurve recorded={recorded} live={live} label={label} />
        </Suspense>
      </Figure>
      {checkpoints.length > 0 && <Checkpoints checkpoints={checkpoints} />}
    </Card>
  );
}

const checkpointsShown = 8;

/** Apart, so that it is not drawn again with every point of the curve. */
const Checkpoints = memo(({ checkpoints }: Pick<Props, "checkpoints">) => (
  <Table
    caption={`Checkpoints that came out as recorded: ${count(checkpoints.length)}`}
    captioned
    columns={[
      { name: "Step", cell: (c) => count(c.step), heading: true },
      { name: "Digest of parameters and state", cell: (c) => <Digest digest={c.run} short picture /> },
    ]}
    rows={checkpoints.slice(-checkpointsShown)}
    rowKey={(c) => String(c.step)}
  />
));
