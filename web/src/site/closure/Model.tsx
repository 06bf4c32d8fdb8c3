import type { Algorithm, Component, Json, Named } from "../../gen/schema.ts";
import type { ClosureDetail, LayerRow } from "../api/types.ts";
import { compact, count, shape } from "../state/format.ts";
import { Card } from "../ui/Card.tsx";
import { type Fact, Facts } from "../ui/Facts.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";

/** The model, layer by layer, and how it was trained. */
export function ModelSection({ detail }: { readonly detail: ClosureDetail }) {
  const { closure, model } = detail;
  return (
    <Card id="model" title="Model">
      <p className="soft">
        Input: {shape(closure.model.input.shape)}, {closure.model.input.dtype}
        {closure.model.loss && ` · loss: ${line(closure.model.loss).slice(0, 60)}`}
      </p>
      {model.table.length === 0 ? (
        <p className="soft">Only the engine itself knows its layers: it was not compiled from a specification here.</p>
      ) : (
        <Table
          caption="Layers"
          columns={[
            { name: "Layer", cell: (row: LayerRow) => <Text max={60}>{row.name}</Text>, heading: true },
            { name: "Kind", cell: (row) => <Text max={120}>{kind(row)}</Text> },
            { name: "Output", cell: (row) => shape(row.output), numeric: true },
            { name: "Parameters", cell: (row) => (row.parameters ? count(row.parameters) : "–"), numeric: true },
            { name: "Multiply-adds", cell: (row) => (row.multiplyAdds ? count(row.multiplyAdds) : "–"), numeric: true },
          ]}
          rows={model.table}
          rowKey={(row, i) => `${i} ${row.name}`}
          footer={
            <tr>
              <th scope="row" colSpan={3}>
                Together
              </th>
              <td className="table-number">{count(model.parameters)}</td>
              <td className="table-number">{count(model.forward)}</td>
            </tr>
          }
        />
      )}
      <h3>Algorithm</h3>
      <Facts facts={algorithmFacts(closure.algorithm, model.train)} />
    </Card>
  );
}

/** What a layer does, and to which others where it is not the one before. */
function kind({ kind, inputs }: LayerRow): string {
  return inputs === undefined ? kind : `${kind} of ${inputs.join(", ")}`;
}

function algorithmFacts(algorithm: Algorithm, train: number): Fact[] {
  const { optimizer, schedule, regularization, clipping, batchSize, microbatchSize, steps, seed, aggregation } =
    algorithm;
  const { initializer, averaging, augmentation } = algorithm;
  const facts: (Fact | undefined)[] = [
    { name: "Steps", value: count(steps ?? 0) },
    { name: "Batch", value: `${count(batchSize)} = ${batchSize / microbatchSize} × ${microbatchSize}` },
    { name: "Seed", value: String(seed) },
    component("Optimizer", optimizer),
    component("Schedule", schedule),
    regularization && named("Regularisation", regularization),
    component("Clipping", clipping),
    initializer ? { name: "Initial values", value: <Text max={60}>{line(initializer)}</Text> } : undefined,
    component("Averages", averaging),
    augmentation && { name: "Augmentation", value: <Text max={160}>{augmentation.map(line).join("; ")}</Text> },
    aggregation && {
      name: aggregation.mode === "gradient" ? "Gradients are summed as" : "Changes by local steps are summed as",
      value: `${aggregation.bits}-bit integers`,
    },
    aggregation?.steps === undefined
      ? undefined
      : {
          name: "Local steps of a microbatch",
          value: `${count(aggregation.steps)} × ${count(microbatchSize / aggregation.steps)}`,
        },
    aggregation?.outer && named("Outer step", aggregation.outer),
    train > 0 ? { name: "A training example costs", value: `${compact(train)} multiply-adds` } : undefined,
  ];
  return facts.filter((fact) => fact !== undefined);
}

/** A component of the vocabulary, such as {adagrad: {learningRate: 0.02}}, in a line. */
function component(name: string, value: Component | undefined): Fact | undefined {
  return value && { name, value: <Text max={160}>{line(value)}</Text> };
}

/** The same of one that may be its bare name. */
function line(value: Named): string {
  if (typeof value === "string") return value;
  const [kind, attributes] = Object.entries(value)[0] ?? ["", {}];
  return [kind, listed(attributes)].filter(Boolean).join(": ");
}

function named(name: string, values: Readonly<Record<string, Json>>): Fact {
  return { name, value: <Text max={160}>{listed(values)}</Text> };
}

function listed(values: Readonly<Record<string, Json>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${spaced(key)} ${JSON.stringify(value)}`)
    .join(", ");
}

/** "learningRate" as "learning rate". */
function spaced(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
