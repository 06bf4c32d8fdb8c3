import { Card } from "../ui/Card.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";
import { Picture } from "./Picture.tsx";
import { type Classification, isPicture, type Mistake } from "./protocol.ts";

interface Props {
  readonly of: Classification;
  readonly name: (index: number) => string;
}

/** The records that the model is most wrong about. */
export function Mistakes({ of, name }: Props) {
  const field = of.layout.input;
  return (
    <Card title="The worst mistakes" level={3} aside={<span className="soft">surest of the wrong class first</span>}>
      {isPicture(field) ? (
        <ul className="mistakes">
          {of.mistakes.map((m) => (
            <li key={m.index}>
              <Picture record={m.input} field={field} label={`Record ${m.index} of ${of.split}`} />
              <span>
                <Text max={24}>{name(m.expected)}</Text> <span className="soft">taken for</span>{" "}
                <strong>
                  <Text max={24}>{name(m.predicted)}</Text>
                </strong>{" "}
                <span className="soft number">{share(m.confidence)}</span>
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <Table
          caption="The worst mistakes"
          columns={[
            { name: "Record", cell: (m) => m.index, numeric: true, heading: true },
            { name: "Is", cell: (m) => <Text max={40}>{name(m.expected)}</Text> },
            { name: "Taken for", cell: (m) => <Text max={40}>{name(m.predicted)}</Text> },
            { name: "How surely", cell: (m) => share(m.confidence), numeric: true },
            { name: "Values", cell: (m) => <Text max={200}>{valuesOf(m, of)}</Text> },
          ]}
          rows={of.mistakes}
          rowKey={(m) => String(m.index)}
        />
      )}
    </Card>
  );
}

function share(output: number): string {
  return Number.isFinite(output) ? `${(100 * output).toFixed(1)} %` : "–";
}

function valuesOf({ input }: Mistake, { layout, features }: Classification): string {
  if (layout.input.dtype !== "f32") return "";
  const values = new Float32Array(input.buffer, input.byteOffset, input.length / 4);
  return Array.from(values, (v, i) => `${features[i] ?? i + 1}: ${Number(v.toPrecision(4))}`).join(", ");
}
