// What a classifier confuses with what, and the figures of each class. All of it is counted from predictions that were
// made blindly.

import type { Predictions } from "../../core/replica.ts";

/** More classes than this make no matrix that anyone would read. */
const mostClasses = 256;

/**
 * Counts records of class i that were taken for class j at [i][j]. Every class that occurs has a row and a column; of too
 * many classes there is no matrix, but an empty list.
 */
export function confusionMatrix({ expected, predicted }: Predictions, classes: number): number[][] {
  let size = classes;
  for (const all of [expected, predicted]) for (const c of all) size = Math.max(size, c + 1);
  if (size > mostClasses) return [];
  const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let i = 0; i < expected.length; i++) {
    const row = matrix[expected[i] as number] as number[];
    const column = predicted[i] as number;
    row[column] = (row[column] as number) + 1;
  }
  return matrix;
}

export interface ClassFigures {
  /** Records of the class. */
  readonly records: number;
  /** Records that were taken for it. */
  readonly taken: number;
  readonly correct: number;
  /** Undefined where nothing was taken for the class, of which nothing could be right. */
  readonly precision: number | undefined;
  /** Undefined where there is no record of the class. */
  readonly recall: number | undefined;
  readonly f1: number | undefined;
}

export function classFigures(matrix: readonly (readonly number[])[]): ClassFigures[] {
  return matrix.map((row, i) => {
    const correct = row[i] ?? 0;
    const records = row.reduce((a, b) => a + b, 0);
    const taken = matrix.reduce((sum, other) => sum + (other[i] ?? 0), 0);
    const both = records + taken;
    return {
      records,
      taken,
      correct,
      precision: taken > 0 ? correct / taken : undefined,
      recall: records > 0 ? correct / records : undefined,
      f1: both > 0 ? (2 * correct) / both : undefined,
    };
  });
}

export interface Confusion {
  readonly expected: number;
  readonly predicted: number;
  readonly records: number;
}

/** The pairs that are confused most often, most often first. */
export function confusions(matrix: readonly (readonly number[])[], most: number): Confusion[] {
  return matrix
    .flatMap((row, expected) => row.map((records, predicted) => ({ expected, predicted, records })))
    .filter(({ expected, predicted, records }) => expected !== predicted && records > 0)
    .sort((a, b) => b.records - a.records)
    .slice(0, most);
}

/** The indices of the records that the model is most wrong about: surest of another class, least of the right one. */
export function worstMistakes({ expected, predicted, confidence, support }: Predictions, most: number): number[] {
  const wrongness = (i: number) => (confidence[i] as number) - (support[i] || 0);
  return Array.from(expected.keys())
    .filter((i) => expected[i] !== predicted[i])
    .sort((a, b) => wrongness(b) - wrongness(a) || a - b)
    .slice(0, most);
}
