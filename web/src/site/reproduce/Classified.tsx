import { count, percent } from "../state/format.ts";
import { Card } from "../ui/Card.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";
import { classFigures, confusions } from "./confusion.ts";
import { Mistakes } from "./Mistakes.tsx";
import type { Classification } from "./protocol.ts";

/** More classes than this are told as the pairs that are confused most. */
const mostInMatrix = 20;
const mostPairs = 20;

/** What the model takes for what. */
export function Classified({ of }: { readonly of: Classification }) {
  const { matrix, split } = of;
  const name = (c: number) => of.classes[c] ?? `class ${c}`;
  const figures = classFigures(matrix);
  return (
    <>
      <Card title="Class by class" level={3} aside={<span className="soft">counted on {split}, blindly</span>}>
        {matrix.length === 0 && <p className="soft">There are too many classes for tables.</p>}
        {matrix.length > 0 && matrix.length <= mostInMatrix && <Matrix matrix={matrix} name={name} />}
        {matrix.length > mostInMatrix && (
          <Table
            caption="What is confused most"
            captioned
            columns={[
              { name: "Is", cell: (c) => <Text max={40}>{name(c.expected)}</Text>, heading: true },
              { name: "Taken for", cell: (c) => <Text max={40}>{name(c.predicted)}</Text> },
              { name: "Records", cell: (c) => count(c.records), numeric: true },
            ]}
            rows={confusions(matrix, mostPairs)}
            rowKey={(c) => `${c.expected} ${c.predicted}`}
          />
        )}
        <Table
          caption="Precision, recall and F1 of each class"
          captioned
          columns={[
            { name: "Class", cell: (f) => <Text max={40}>{name(f.index)}</Text>, heading: true },
            { name: "Records", cell: (f) => count(f.records), numeric: true },
            { name: "Correct", cell: (f) => count(f.correct), numeric: true },
            { name: "Precision", cell: (f) => percent(f.correct, f.taken), numeric: true },
            { name: "Recall", cell: (f) => percent(f.correct, f.records), numeric: true },
            { name: "F1", cell: (f) => percent(2 * f.correct, f.records + f.taken), numeric: true },
          ]}
          rows={figures.map((f, index) => ({ ...f, index }))}
          rowKey={(f) => String(f.index)}
        />
      </Card>
      {of.mistakes.length > 0 && <Mistakes of={of} name={name} />}
    </>
  );
}

interface MatrixProps {
  readonly matrix: readonly (readonly number[])[];
  readonly name: (index: number) => string;
}

/** Shades a cell by its share of the row; the number says the rest. */
function Matrix({ matrix, name }: MatrixProps) {
  const label = "Confusion matrix: rows are what a record is, columns what it was taken for";
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable from the keyboard.
    <section className="table-box" tabIndex={0} aria-label={label}>
      <table className="matrix">
        <caption>{label}</caption>
        <thead>
          <tr>
            <td />
            {matrix.map((_, column) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a class is its index.
              <th key={column} scope="col">
                <Text max={12}>{name(column)}</Text>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {matrix.map((row, index) => {
            const sum = row.reduce((a, b) => a + b, 0);
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: a class is its index.
              <tr key={index}>
                <th scope="row">
                  <Text max={20}>{name(index)}</Text>
                </th>
                {row.map((records, column) => (
                  <td
                    // biome-ignore lint/suspicious/noArrayIndexKey: a class is its index.
                    key={column}
                    className={cellClass(records, sum, column === index)}
                  >
                    {records === 0 ? <span className="soft">·</span> : count(records)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

const shades = 4;

function cellClass(records: number, sum: number, right: boolean): string {
  if (records === 0) return "cell";
  // Mistakes are few where the model is good: the root shows them.
  const shade = Math.min(shades, Math.ceil(Math.sqrt(records / sum) * shades));
  return `cell cell-${right ? "right" : "wrong"}-${shade}`;
}
