// The time that programs which a test has started spend on processors. On a busy machine it says more than the clock.

import { readdirSync, readFileSync } from "node:fs";

const ticksPerSecond = 100; // USER_HZ, on all of Linux' platforms

/** Seconds of all processes below this one, as far as they live; undefined where there is no /proc. */
export function processorSeconds(): number | undefined {
  const children = new Map<number, number[]>();
  const ticks = new Map<number, number>();
  let names: string[];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
  for (const name of names) {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${name}/stat`, "latin1");
    } catch {
      continue; // it has ended
    }
    // pid (name) state parent …: the name may hold anything, so what follows its last bracket is read.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    ticks.set(Number(name), Number(fields[11]) + Number(fields[12]));
  }
  const below = (pid: number): number =>
    (children.get(pid) ?? []).reduce((sum, child) => sum + (ticks.get(child) ?? 0) + below(child), 0);
  return below(process.pid) / ticksPerSecond;
}
