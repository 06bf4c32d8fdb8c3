// Figures of sessions for readers.

import { compact } from "../state/format.ts";

/** So many per second, in about three digits. */
export function rate(perSecond: number): string {
  if (!(perSecond > 0)) return "–";
  return perSecond < 10 ? perSecond.toFixed(1) : compact(Math.round(perSecond));
}

/** Seconds as "3.2 ms", "1.40 s", "2 min 5 s". */
export function time(seconds: number): string {
  if (!(seconds > 0)) return "–";
  const ms = seconds * 1000;
  if (seconds < 1) return `${ms < 10 ? ms.toPrecision(2) : Math.round(ms)} ms`;
  if (seconds < 60) return `${seconds.toPrecision(3)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A part of the whole, 0 … 1, in percent. */
export function share(part: number): string {
  const percent = part * 100;
  return `${percent === 0 || percent >= 10 ? Math.round(percent) : percent.toPrecision(2)} %`;
}

/** A chance, 0 … 1: small ones as what they are. */
export function chance(p: number): string {
  if (p <= 0) return "0";
  return p < 0.001
    ? p
        .toExponential(1)
        .replace("e-", " · 10⁻")
        .replace(/⁻(\d+)$/, (_, d: string) => `⁻${raised(d)}`)
    : share(p);
}

function raised(digits: string): string {
  return Array.from(digits, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]).join("");
}

/** The time of a line in the log: that of the day where it was today. */
export function clock(text: string, now: Date): string {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const two = (n: number) => String(n).padStart(2, "0");
  const ofDay = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return date.toDateString() === now.toDateString()
    ? ofDay
    : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${ofDay}`;
}
