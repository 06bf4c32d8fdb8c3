import { useEffect, useRef } from "react";
import type { Field } from "../../gen/schema.ts";
import { pixelsOf } from "./picture.ts";

interface Props {
  readonly record: Uint8Array;
  readonly field: Pick<Field, "shape">;
  /** What it shows. */
  readonly label: string;
}

/** A record's picture, enlarged without smoothing. */
export function Picture({ record, field, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [height = 1, width = 1] = field.shape;
  useEffect(() => {
    canvas.current?.getContext("2d")?.putImageData(pixelsOf(record, field), 0, 0);
  }, [record, field]);
  return <canvas className="picture" ref={canvas} width={width} height={height} role="img" aria-label={label} />;
}
