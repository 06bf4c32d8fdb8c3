// Numbers and times for readers. Only figures that no comparison depends on are rounded.

const whole = new Intl.NumberFormat("en-GB");
const short = new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 3 });
const days = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" });

export function count(n: number): string {
  return whole.format(n);
}

/** 1234567 as "1.23M". */
export function compact(n: number): string {
  return short.format(n);
}

/** A share in percent, rounded down, so that only all of them are 100 %. */
export function percent(part: number, total: number): string {
  if (total <= 0) return "–";
  return `${(Math.floor((part / total) * 1e4 + 1e-9) / 100).toFixed(2)} %`;
}

const units = ["B", "kB", "MB", "GB", "TB"];

export function bytes(n: number): string {
  let unit = 0;
  let value = n;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** A day, in UTC; what is no time stays as it is. */
export function day(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : days.format(date);
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
