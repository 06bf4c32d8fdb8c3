// A session as it goes: read once, and then followed by the events that the server sends.

import type { Api } from "../api/client.ts";
import { readPoints, readSession, sessionAddress } from "./client.ts";
import { isLive, type SessionDetail, type SessionPoint } from "./types.ts";

export interface Live {
  readonly detail: SessionDetail | undefined;
  readonly points: readonly SessionPoint[];
  readonly error: unknown;
  /** Whether what is shown is of now. */
  readonly connected: boolean;
}

/** Points to draw. Twice as many are thinned to this many. */
export const mostPoints = 800;

/** Milliseconds after which a stream that was refused is asked for again. */
const again = 5000;

export class LiveSession {
  readonly #api: Api;
  readonly #id: string;
  readonly #listeners = new Set<() => void>();
  #live: Live = { detail: undefined, points: [], error: undefined, connected: false };
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort = new AbortController();

  constructor(api: Api, id: string) {
    this.#api = api;
    this.#id = id;
  }

  /** For useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly get = (): Live => this.#live;

  readonly start = (): void => {
    this.#abort = new AbortController();
    this.#set({ error: undefined });
    readSession(this.#api, this.#id, this.#abort.signal).then(
      (detail) => {
        this.show(detail);
        this.#fill();
        if (isLive(detail) || detail.state === "finished") this.#follow();
      },
      (error: unknown) => {
        if (!this.#abort.signal.aborted) this.#set({ error });
      },
    );
  };

  readonly stop = (): void => {
    this.#abort.abort();
    this.#source?.close();
    this.#source = undefined;
    clearTimeout(this.#timer);
    this.#set({ connected: false });
  };

  /** Takes in what a command answered. */
  show(detail: SessionDetail): void {
    this.#set({ detail });
  }

  #follow(): void {
    const source = new EventSource(`${sessionAddress(this.#id)}/live`);
    this.#source = source;
    const read = <T>(event: Event): T => JSON.parse((event as MessageEvent<string>).data) as T;
    source.addEventListener("status", (event) => {
      const detail = read<SessionDetail>(event);
      this.#set({ detail, connected: true });
      if (isLive(detail) || detail.state === "finished") return;
      source.close(); // there is no more to come
      this.#fill();
    });
    source.addEventListener("points", (event) => {
      this.#add(read<{ points: readonly SessionPoint[] }>(event).points);
    });
    source.addEventListener("open", () => {
      // Steps were missed while there was no stream.
      if (this.#live.points.length > 0) this.#fill();
      this.#set({ connected: true });
    });
    source.addEventListener("error", () => {
      this.#set({ connected: false });
      // A browser opens a broken stream again by itself, but not one that was refused.
      if (source.readyState !== 2) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#follow(), again);
    });
  }

  #fill(): void {
    readPoints(this.#api, this.#id, mostPoints, this.#abort.signal).then(
      ({ points }) => this.#add(points),
      () => {}, // the figures are there without a curve
    );
  }

  #add(points: readonly SessionPoint[]): void {
    this.#set({ points: merged(this.#live.points, points) });
  }

  #set(change: Partial<Live>): void {
    this.#live = { ...this.#live, ...change };
    for (const listener of this.#listeners) listener();
  }
}

/** Two lists of points as one, by step, later news first; thinned when it is too long for a drawing. */
export function merged(old: readonly SessionPoint[], news: readonly SessionPoint[]): readonly SessionPoint[] {
  const all = new Map(old.map((p) => [p.step, p]));
  for (const p of news) all.set(p.step, { ...all.get(p.step), ...p });
  const sorted = [...all.values()].sort((a, b) => a.step - b.step);
  if (sorted.length <= 2 * mostPoints) return sorted;
  // Evaluations are few and stay, as does the end.
  return sorted.filter((p, i) => i % 2 === 0 || p.test !== undefined || i === sorted.length - 1);
}
