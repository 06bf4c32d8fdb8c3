import { type DragEvent, useId, useMemo, useState } from "react";
import { messageOf } from "../../core/failure.ts";
import { Picture } from "../reproduce/Picture.tsx";
import { Button } from "../ui/Button.tsx";
import { Figure } from "../ui/Figure.tsx";
import { CameraPanel } from "./CameraPanel.tsx";
import { DrawPad } from "./DrawPad.tsx";
import { Guesses } from "./Guesses.tsx";
import { greyOfRecord, groundOf, habitOf } from "./ink.ts";
import type { Model } from "./model.ts";
import { fromFile } from "./photograph.ts";
import { usePrediction } from "./prediction.ts";
import { defaultOptions, type Options, prepare, type Target } from "./prepare.ts";
import type { Raster } from "./raster.ts";

interface Props {
  readonly model: Model;
  readonly probabilities: boolean;
  readonly onFailure: (thrown: unknown) => void;
}

/** A picture of the visitor's, or a record of the dataset as it is. */
type Source =
  | { readonly kind: "raster"; readonly raster: Raster; readonly options: Options }
  | { readonly kind: "record"; readonly record: Uint8Array<ArrayBuffer> };

const samplesShown = 12;

export function PictureInput({ model, probabilities, onFailure }: Props) {
  const field = model.records.layout.input;
  const target = useMemo(() => targetOf(model), [model]);
  const [source, setSource] = useState<Source>();
  const [problem, setProblem] = useState("");
  const [camera, setCamera] = useState(false);
  const [pad, setPad] = useState(0);
  /** What the visitor chose for the drawing, which more strokes do not undo. */
  const [chosen, setChosen] = useState<Options>();

  const record = useMemo(() => {
    if (source === undefined) return undefined;
    return source.kind === "record" ? source.record : prepare(source.raster, target, source.options);
  }, [source, target]);
  const outputs = usePrediction(model, record, onFailure);

  const take = (raster: Raster, options?: Options) => {
    setProblem("");
    setSource({ kind: "raster", raster, options: options ?? defaultOptions(raster, target) });
  };
  const takeFile = (file: Blob | null | undefined) => {
    if (!file) return;
    fromFile(file).then(
      (raster) => take(raster),
      (thrown: unknown) => setProblem(`${messageOf(thrown)}.`),
    );
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    takeFile(event.dataTransfer.files.item(0));
  };
  const clear = () => {
    setSource(undefined);
    setChosen(undefined);
    setProblem("");
    setPad((n) => n + 1);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is one of several ways; the file button is the one for keyboards.
    <div className="try" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <div className="try-source">
        {camera ? (
          <CameraPanel
            onPicture={(raster) => take(raster)}
            onClose={() => setCamera(false)}
            onProblem={(text) => {
              setCamera(false);
              setProblem(text);
            }}
          />
        ) : (
          <DrawPad key={pad} proportions={target.width / target.height} onDrawn={(raster) => take(raster, chosen)} />
        )}
        <div className="row">
          <Button onClick={clear}>Clear</Button>
          <FileButton onFile={takeFile} />
          {!camera && <Button onClick={() => setCamera(true)}>Use the camera</Button>}
        </div>
        <p className="soft try-hint">Draw, or drop a picture here.</p>
        <p role="alert" className="try-problem">
          {problem}
        </p>
      </div>
      <div className="try-answer">
        <div className="try-seen">
          <Figure caption={`What the model sees: ${field.shape.join(" × ")}`}>
            {record ? (
              <Picture record={record} field={field} label="The picture as the model sees it" />
            ) : (
              <div className="try-empty" />
            )}
          </Figure>
          {source?.kind === "raster" && (
            <Fitting
              options={source.options}
              target={target}
              onOptions={(options) => {
                setChosen(options);
                setSource({ ...source, options });
              }}
            />
          )}
        </div>
        <Guesses outputs={outputs} classes={model.dataset.classes ?? []} probabilities={probabilities} />
      </div>
      <section className="try-samples" aria-label="Records of the dataset">
        <p className="soft">Or take one of the dataset's own:</p>
        <div className="row">
          {model.samples.slice(0, samplesShown).map((sample, i) => (
            <button
              type="button"
              className="try-sample"
              // biome-ignore lint/suspicious/noArrayIndexKey: a record is its index.
              key={i}
              onClick={() => setSource({ kind: "record", record: sample })}
            >
              <Picture record={sample} field={field} label={`Record ${i} of ${model.records.split}`} />
            </button>
          ))}
        </div>
      </section>
    </div>
  );
}

function targetOf({ records, samples }: Model): Target {
  const { shape } = records.layout.input;
  const [height = 1, width = 1, channels = 1] = shape;
  const greys = samples.map((s) => greyOfRecord(s, shape));
  const ground = groundOf(greys);
  return { width, height, channels, ground, habit: habitOf(greys, ground) };
}

function FileButton({ onFile }: { readonly onFile: (file: File | null | undefined) => void }) {
  const id = useId();
  return (
    <span className="file">
      <input
        id={id}
        type="file"
        accept="image/*"
        onChange={(event) => {
          onFile(event.target.files?.item(0));
          event.target.value = ""; // so that the same file can be chosen again
        }}
      />
      <label htmlFor={id} className="button button-plain">
        Choose a picture
      </label>
    </span>
  );
}

interface FittingProps {
  readonly options: Options;
  readonly target: Target;
  readonly onOptions: (options: Options) => void;
}

/** How the picture is made to fit what the model was trained on. */
function Fitting({ options, target, onOptions }: FittingProps) {
  const id = useId();
  return (
    <div className="fitting">
      <label>
        <input
          type="checkbox"
          checked={options.invert}
          onChange={(e) => onOptions({ ...options, invert: e.target.checked })}
        />
        Swap light and dark
        {target.ground.plain && (
          <span className="soft"> (the dataset's ground is {target.ground.level < 128 ? "dark" : "light"})</span>
        )}
      </label>
      <label htmlFor={id}>
        Fit{" "}
        <select
          id={id}
          value={options.fit}
          onChange={(e) => onOptions({ ...options, fit: e.target.value as Options["fit"] })}
        >
          {target.habit && <option value="ink">the ink, placed as in the dataset</option>}
          <option value="middle">the middle</option>
          <option value="whole">the whole</option>
        </select>
      </label>
      {target.channels === 1 && <p className="soft">Colours become grey; pixels are averaged by area.</p>}
    </div>
  );
}
