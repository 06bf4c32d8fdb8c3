import { type KeyboardEvent, type PointerEvent, useEffect, useId, useReducer, useRef } from "react";
import { blank, type Drawing, draw, keyEvent, type Point } from "./pad.ts";
import type { Raster } from "./raster.ts";

interface Props {
  /** Width by height. */
  readonly proportions: number;
  /** Called after every stroke or part of one, with black ink on white. */
  readonly onDrawn: (raster: Raster) => void;
}

const height = 280;
/** Part of the height. */
const penWidth = 0.075;

/** Paper and a pen: for mouse, touch and stylus, and for the keyboard. */
export function DrawPad({ proportions, onDrawn }: Props) {
  const width = Math.round(height * Math.min(4, Math.max(0.25, proportions)));
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drawing, dispatch] = useReducer(draw, blank);
  const keyboard = useRef(false);
  const help = useId();

  // biome-ignore lint/correctness/useExhaustiveDependencies: it is told of drawings alone.
  useEffect(() => {
    const context = canvas.current?.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    paint(context, drawing);
    if (drawing.strokes.length > 0) onDrawn(context.getImageData(0, 0, width, height));
    if (keyboard.current) paintCursor(context, drawing);
  }, [drawing, width]);

  const at = (event: { clientX: number; clientY: number }): Point => {
    const box = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  };
  const begin = (event: PointerEvent) => {
    if (event.button !== 0) return;
    keyboard.current = false;
    canvas.current?.setPointerCapture(event.pointerId);
    dispatch({ type: "begin", points: [at(event)] });
  };
  const extend = (event: PointerEvent) => {
    if (!canvas.current?.hasPointerCapture(event.pointerId)) return;
    const parts = event.nativeEvent.getCoalescedEvents?.() ?? [];
    dispatch({ type: "extend", points: (parts.length > 0 ? parts : [event]).map(at) });
  };
  const press = (event: KeyboardEvent) => {
    const meant = keyEvent(event.key);
    if (meant === undefined) return;
    event.preventDefault();
    keyboard.current = true;
    dispatch(meant);
  };
  return (
    <div
      className="pad-box"
      role="application"
      aria-label="Drawing pad"
      aria-describedby={help}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the pen moves by keys, too.
      tabIndex={0}
      onKeyDown={press}
    >
      <canvas ref={canvas} className="pad" width={width} height={height} onPointerDown={begin} onPointerMove={extend} />
      <p id={help} className="hidden-text">
        Arrow keys move the pen, space puts it down and lifts it. The records below are another way to ask the model
        something.
      </p>
    </div>
  );
}

function paint(context: CanvasRenderingContext2D, { strokes }: Drawing): void {
  const { width, height } = context.canvas;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.strokeStyle = "#000";
  context.lineWidth = penWidth * height;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    for (const { x, y } of stroke) context.lineTo(x * width, y * height);
    // A dot is a line of no length.
    const [first] = stroke;
    if (stroke.length === 1 && first) context.lineTo(first.x * width, first.y * height);
    context.stroke();
  }
}

function paintCursor(context: CanvasRenderingContext2D, { cursor, down }: Drawing): void {
  const { width, height } = context.canvas;
  context.beginPath();
  context.arc(cursor.x * width, cursor.y * height, (penWidth * height) / 2 + 3, 0, 2 * Math.PI);
  context.strokeStyle = down ? "#9d2b20" : "#2c5671";
  context.lineWidth = 3;
  context.stroke();
}
