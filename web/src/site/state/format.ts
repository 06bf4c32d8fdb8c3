// Numbers and times for readers. Only figures that no comparison depends on are rounded.

// The server writes them alike on the pages that it draws (api/format.go).

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"];

/** 1234567 as "1,234,567". */
export function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** 1234567 as "1.23M". */
export function compact(n: number): string {
  const [text, unit] = scaled(n, ["", "k", "M", "bn", "tn"]);
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text}${unit}`;
}

/** A share in percent, rounded down, so that only all of them are 100 %. */
export function percent(part: number, total: number): string {
  if (total <= 0) return "–";
  return `${(Math.floor((part / total) * 1e4 + 1e-9) / 100).toFixed(2)} %`;
}

const units = ["B", "kB", "MB", "GB", "TB"];

export function bytes(n: number): string {
  return scaled(n, units).join(" ");
}

/** n in the largest unit that keeps it at or above one, in three digits where it is not the first. */
function scaled(n: number, units: readonly string[]): [text: string, unit: string] {
  let unit = 0;
  let text = String(n);
  for (let value = n; value >= 1000 && unit < units.length - 1; unit++) {
    value /= 1000;
    text = value.toPrecision(3);
    if (text === "1.00e+3" && unit + 2 < units.length) [value, text] = [1000, "1.00"]; // rounded up to the next unit
  }
  return [text, units[unit] ?? ""];
}

/** A day, in UTC; what is no time stays as it is. */
export function day(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime())
    ? time
    : `${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

/** A shape as "28 × 28 × 1". */
export function shape(dimensions: readonly number[]): string {
  return dimensions.length === 0 ? "scalar" : dimensions.join(" × ");
}

/** "image-classification" as "image classification". */
export function words(identifier: string): string {
  return identifier.replaceAll("-", " ");
}

/** A loss claim, a sum in units of 2⁻²⁰, as its mean. */
export function meanLoss(sum: number, total: number): string {
  return (sum / 2 ** 20 / total).toPrecision(5);
}
