import { useState } from "react";
import type { DatasetRows } from "../api/types.ts";
import { useLoaded, useSite } from "../state/react.ts";
import { Figure } from "../ui/Figure.tsx";
import { Failed } from "../ui/Status.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";
import "./samples.css";

interface Props {
  readonly reference: string;
  readonly split: string;
  /** Shape of an example's input: three dimensions are an image. */
  readonly input: readonly number[];
  /** How many classes there are; 0 where the target is none. */
  readonly classes: number;
}

/** Some records of a split: a sheet of pictures, or the first rows. */
export function Samples(props: Props) {
  return props.input.length === 3 ? <Sheet {...props} /> : <Rows {...props} />;
}

/** Cells of a sheet: the server draws a row for each class. */
const cells = { columns: 20, rows: 10 };

function Sheet({ reference, split, input, classes }: Props) {
  const { api } = useSite();
  const [failed, setFailed] = useState(false);
  const [height = 1, width = 1] = input;
  const rows = Math.min(classes || 6, cells.rows);
  const name = split.slice(0, 40);
  const caption = classes > 0 ? `Records of the split ${name}, a row for each class.` : `Records of the split ${name}.`;
  return (
    <Figure caption={failed ? "The sheet of samples could not be loaded." : caption}>
      {failed ? (
        <div className="sheet" />
      ) : (
        <img
          className="sheet"
          src={api.sheet(reference, split, cells.columns, rows)}
          width={cells.columns * width}
          height={rows * height}
          alt={`A sheet of samples from the split ${name}`}
          loading="lazy"
          decoding="async"
          onError={() => setFailed(true)}
        />
      )}
    </Figure>
  );
}

/** Rows and columns that are shown of a table. */
const shown = { rows: 10, columns: 40 };

function Rows({ reference, split }: Props) {
  const caption = `The first records of the split ${split.slice(0, 40)}, in their stored order, which is random.`;
  const { value, error, retry } = useLoaded(`${reference} ${split}`, (api, _key, signal) =>
    api.rows(reference, split, shown.rows, signal),
  );
  return (
    <Figure caption={caption}>
      <div className="sample-rows">
        {error !== undefined && <Failed error={error} retry={retry} />}
        {value !== undefined && <RowTable value={value} caption={caption} />}
      </div>
    </Figure>
  );
}

type Row = DatasetRows["rows"][number];

function RowTable({ value, caption }: { readonly value: DatasetRows; readonly caption: string }) {
  return (
    <Table
      caption={caption}
      columns={value.columns.slice(0, shown.columns).map((name, i) => ({
        name: unique(name.slice(0, 60), i),
        cell: (row: Row) => cell(row[i]),
        numeric: typeof value.rows[0]?.[i] === "number",
      }))}
      rows={value.rows}
      rowKey={(_, i) => String(i)}
    />
  );
}

/** Columns of strangers may share a name or have none. */
function unique(name: string, index: number): string {
  return name || `column ${index}`;
}

function cell(value: string | number | null | undefined) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : <Text max={60}>{value}</Text>;
}
