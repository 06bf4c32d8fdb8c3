// How much of a device its owner gives, and when.

import type { RestReason } from "../../core/wire.ts";
import { defaultWorkers, mostWorkers } from "../reproduce/runtime.ts";

export interface Settings {
  readonly workers: number;
  readonly name: string;
  /** Megabytes of records to keep. */
  readonly memory: number;
  readonly restHidden: boolean;
  readonly battery: "work" | "low" | "rest";
  readonly awake: boolean;
}

export const memories = [64, 128, 256, 512, 1024] as const;

/** The share of a charge below which "low" rests. */
const lowBattery = 0.2;

/** Reads what was kept; whatever is missing or strange is as at first. */
export function readSettings(text: string, cores: number | undefined): Settings {
  let kept: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(text || "{}");
    if (typeof parsed === "object" && parsed !== null) kept = parsed as Record<string, unknown>;
  } catch {
    // As at first.
  }
  const workers = Number(kept.workers);
  const memory = memories.find((m) => m === kept.memory);
  return {
    workers: Number.isInteger(workers) && workers >= 1 ? Math.min(workers, mostWorkers(cores)) : defaultWorkers(cores),
    name: typeof kept.name === "string" ? kept.name.slice(0, 40) : "",
    memory: memory ?? 128,
    restHidden: kept.restHidden === true,
    battery: kept.battery === "work" || kept.battery === "rest" ? kept.battery : "low",
    awake: kept.awake === true,
  };
}

/** How the device is. */
export interface Surroundings {
  readonly hidden: boolean;
  /** Undefined where it has none, or does not say. */
  readonly battery: { readonly charging: boolean; readonly level: number } | undefined;
}

/** Why to rest, if there is a reason. */
export function restReason(
  settings: Settings,
  { hidden, battery }: Surroundings,
  paused: boolean,
): RestReason | undefined {
  if (paused) return "visitor";
  if (settings.restHidden && hidden) return "hidden";
  if (battery === undefined || battery.charging || settings.battery === "work") return undefined;
  return settings.battery === "rest" || battery.level < lowBattery ? "battery" : undefined;
}
