import { useId, useMemo, useState } from "react";
import { Button } from "../ui/Button.tsx";
import { Text } from "../ui/Text.tsx";
import { type Slider, slidersOf } from "./features.ts";
import { Guesses } from "./Guesses.tsx";
import type { Model } from "./model.ts";
import { usePrediction } from "./prediction.ts";

interface Props {
  readonly model: Model;
  readonly probabilities: boolean;
  readonly onFailure: (thrown: unknown) => void;
}

/** A slider for each feature of a table. */
export function TableInput({ model, probabilities, onFailure }: Props) {
  const { sliders, rows } = useMemo(() => read(model), [model]);
  const [values, setValues] = useState<readonly number[]>(() => sliders.map((s) => s.start));
  const [row, setRow] = useState(0);
  const input = useMemo(() => new Uint8Array(new Float32Array(values).buffer), [values]);
  const outputs = usePrediction(model, input, onFailure);

  const takeRow = () => {
    setValues(Array.from(rows[row % rows.length] as Float32Array));
    setRow(row + 1);
  };
  return (
    <div className="try try-table">
      <div className="try-form">
        <div className="sliders">
          {sliders.map((slider, i) => (
            <Feature
              key={slider.name}
              slider={slider}
              value={values[i] as number}
              onValue={(value) => setValues(values.with(i, value))}
            />
          ))}
        </div>
        <div className="row">
          <Button onClick={takeRow}>Take a record of the dataset</Button>
          <Button onClick={() => setValues(sliders.map((s) => s.start))}>Back to the means</Button>
        </div>
      </div>
      <Guesses outputs={outputs} classes={model.dataset.classes ?? []} probabilities={probabilities} />
    </div>
  );
}

function read({ samples, records, dataset }: Model): { readonly sliders: Slider[]; readonly rows: Float32Array[] } {
  const rows = samples.map((s) => new Float32Array(s.buffer, s.byteOffset, s.length / 4));
  const [features = 0] = records.layout.input.shape;
  return { sliders: slidersOf(rows, features, dataset.features ?? [], dataset.statistics), rows };
}

interface FeatureProps {
  readonly slider: Slider;
  readonly value: number;
  readonly onValue: (value: number) => void;
}

function Feature({ slider, value, onValue }: FeatureProps) {
  const id = useId();
  const { name, min, max, step } = slider;
  // A field that is being emptied has no number yet.
  const change = (n: number) => Number.isFinite(n) && onValue(n);
  return (
    <div className="feature">
      <label htmlFor={id}>
        <Text max={60}>{name}</Text>
      </label>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        onChange={(e) => change(e.target.valueAsNumber)}
      />
      <input
        type="number"
        step="any"
        aria-label={`${name}, as a number`}
        value={Number(value.toPrecision(7))}
        onChange={(e) => change(e.target.valueAsNumber)}
      />
    </div>
  );
}
