// Strokes on a pad, in units of its sides from 0 to 1, by pointer or by keyboard.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Drawing {
  readonly strokes: readonly (readonly Point[])[];
  /** Where the keyboard's pen is. */
  readonly cursor: Point;
  /** Whether it draws when it moves. */
  readonly down: boolean;
}

export type PadEvent =
  | { readonly type: "begin" | "extend"; readonly points: readonly Point[] }
  | { readonly type: "move"; readonly dx: number; readonly dy: number }
  | { readonly type: "toggle" };

export const blank: Drawing = { strokes: [], cursor: { x: 0.5, y: 0.5 }, down: false };

/** What an event makes of a drawing. */
export function draw(drawing: Drawing, event: PadEvent): Drawing {
  switch (event.type) {
    case "begin":
      return { ...drawing, down: false, strokes: [...drawing.strokes, event.points] };
    case "extend":
      return { ...drawing, strokes: extended(drawing.strokes, event.points) };
    case "move": {
      const cursor = { x: inside(drawing.cursor.x + event.dx), y: inside(drawing.cursor.y + event.dy) };
      return { ...drawing, cursor, strokes: drawing.down ? extended(drawing.strokes, [cursor]) : drawing.strokes };
    }
    case "toggle":
      return drawing.down
        ? { ...drawing, down: false }
        : { ...drawing, down: true, strokes: [...drawing.strokes, [drawing.cursor]] };
  }
}

function extended(strokes: Drawing["strokes"], points: readonly Point[]): Drawing["strokes"] {
  return [...strokes.slice(0, -1), [...(strokes.at(-1) ?? []), ...points]];
}

function inside(value: number): number {
  return Math.min(1, Math.max(0, value));
}

const step = 0.04;

/** What a key means; undefined for keys that mean nothing here. */
export function keyEvent(key: string): PadEvent | undefined {
  switch (key) {
    case "ArrowLeft":
      return { type: "move", dx: -step, dy: 0 };
    case "ArrowRight":
      return { type: "move", dx: step, dy: 0 };
    case "ArrowUp":
      return { type: "move", dx: 0, dy: -step };
    case "ArrowDown":
      return { type: "move", dx: 0, dy: step };
    case " ":
    case "Enter":
      return { type: "toggle" };
  }
  return undefined;
}
