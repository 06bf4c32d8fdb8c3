import type { ClosureDataset } from "../../gen/schema.ts";
import type { ClosureDetail } from "../api/types.ts";
import { count, shape } from "../state/format.ts";
import { datasetPath, refOf } from "../state/route.ts";
import { Card } from "../ui/Card.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Link } from "../ui/Link.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";
import { Samples } from "./Samples.tsx";

/** The data that the closure names, with some of it. */
export function Data({ detail }: { readonly detail: ClosureDetail }) {
  const { datasets } = detail.closure;
  const shown = datasets.find((d) => d.role === "test") ?? datasets[0];
  return (
    <Card id="data" title="Data">
      <Table
        caption="Datasets"
        columns={[
          { name: "For", cell: (d: ClosureDataset) => (d.role === "train" ? "Training" : "Testing"), heading: true },
          { name: "Dataset", cell: link },
          { name: "Split", cell: (d) => <Text max={40}>{d.split}</Text> },
          { name: "Examples", cell: (d) => count(d.examples), numeric: true },
          { name: "Input", cell: (d) => shape(d.record.input.shape), numeric: true },
        ]}
        rows={datasets}
        rowKey={(d) => `${d.role} ${d.digest} ${d.split}`}
      />
      {shown !== undefined && (
        <Samples
          reference={`${shown.name}@${shown.digest}`}
          split={shown.split}
          input={shown.record.input.shape}
          classes={shown.classes ?? 0}
        />
      )}
    </Card>
  );
}

function link(dataset: ClosureDataset) {
  return (
    <>
      <Link href={datasetPath(refOf(dataset))}>
        <Text max={80}>{`${dataset.name}:${dataset.version}`}</Text>
      </Link>
      <br />
      <Digest digest={dataset.digest} short />
    </>
  );
}
