// What a new engine takes over from the one that it replaces. The runner's CarryOver says the same in Go, and shares the
// examples of the test.

import { dtypeSizes, type Tensor } from "./tensor.ts";

/**
 * The state with which a new engine goes on: the tensors that its init wrote, of which those that the old state holds
 * under the same name, with the same dtype and number of dimensions, take over the overlapping leading part of it along
 * every dimension. What the old state holds beyond that is dropped. Neither argument is changed.
 */
export function carryOver(fresh: readonly Tensor[], old: readonly Tensor[]): Tensor[] {
  const from = new Map(old.map((t) => [t.name, t]));
  return fresh.map((t) => {
    const data = t.data.slice();
    const before = from.get(t.name);
    if (before !== undefined && before.dtype === t.dtype && before.shape.length === t.shape.length) {
      copyLeading(data, before.data, t.shape, before.shape, dtypeSizes[t.dtype]);
    }
    return { ...t, data };
  });
}

/** Copies the overlapping leading part of a row-major tensor into another; size is an element's, in bytes. */
function copyLeading(
  to: Uint8Array,
  from: Uint8Array,
  toShape: readonly number[],
  fromShape: readonly number[],
  size: number,
): void {
  const [toRows, ...toRest] = toShape;
  const [fromRows, ...fromRest] = fromShape;
  if (toRows === undefined || fromRows === undefined) {
    to.set(from.subarray(0, size));
    return;
  }
  const toRow = toRest.reduce((product, d) => product * d, size);
  const fromRow = fromRest.reduce((product, d) => product * d, size);
  for (let k = 0; k < Math.min(toRows, fromRows); k++) {
    const row = to.subarray(k * toRow, (k + 1) * toRow);
    copyLeading(row, from.subarray(k * fromRow, (k + 1) * fromRow), toRest, fromRest, size);
  }
}
