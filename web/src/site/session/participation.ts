// This tab's part in a session: the participant in its worker, and what the visitor and the device want of it. It outlives
// the page that began it, so that one can look around while one's device works.

import { Failure } from "../../core/failure.ts";
import type { Family, ParticipantRole } from "../../core/wire.ts";
import {
  type Command,
  heartbeat,
  initialState,
  isOver,
  type Message,
  type Order,
  type ParticipantState,
  type Question,
  type Reply,
} from "../../worker/participant/protocol.ts";
import { spawnParticipant } from "../../worker/participant/spawn.ts";
import { decodeFailure } from "../../worker/protocol.ts";
import { describeAgent } from "../reproduce/runtime.ts";
import { sessionAddress } from "./client.ts";
import { keepResumeWord, keepSettings, resumeWord, storedSettings } from "./keys.ts";
import { readSettings, restReason, type Settings } from "./settings.ts";

/** What is used of the worker. */
interface Thread {
  postMessage(command: Command): void;
  terminate(): void;
  addEventListener(type: "message", listener: (event: MessageEvent<Message>) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
}

interface Battery extends EventTarget {
  readonly charging: boolean;
  readonly level: number;
}

export interface Part {
  /** Empty until the visitor takes part in a session. */
  readonly session: string;
  readonly state: ParticipantState;
  readonly settings: Settings;
  /** The visitor has paused. */
  readonly paused: boolean;
  /** Whether the device has a battery of which it says something. */
  readonly battery: boolean;
  /** Whether the screen is kept on; undefined where that cannot be had. */
  readonly awake: boolean | undefined;
}

/**
 * Signs of life that a participant may owe before it is taken for stuck, a minute, and how often it is then started again.
 *
 * Firefox with its developer tools open (as under WebDriver) sometimes never returns from starting a worker within a worker: the
 * parent waits, on the child's condition variable, for the debugger to know the child; the main thread's Notify wakes one
 * thread, and if the child has come to wait there first, that is the child (WorkerPrivate::SetIsDebuggerRegistered; seen in
 * Firefox 153 with gdb, once in some 60 starts on a busy machine, and never without a debugger).
 */
const silences = 12;
const restarts = 3;

export class Participation {
  readonly #listeners = new Set<() => void>();
  readonly #asked = new Map<number, { resolve(reply: Reply): void; reject(reason: Error): void }>();
  #part: Part;
  #thread: Thread | undefined;
  #battery: Battery | undefined;
  #lock: WakeLockSentinel | undefined;
  #questions = 0;
  #watch: ReturnType<typeof setInterval> | undefined;
  /** Signs of life that are owed. */
  #silent = 0;

  constructor() {
    const settings = readSettings(storedSettings(), navigator.hardwareConcurrency);
    this.#part = {
      session: "",
      state: initialState("work", settings.workers),
      settings,
      paused: false,
      battery: false,
      awake: "wakeLock" in navigator ? false : undefined,
    };
    document.addEventListener("visibilitychange", () => {
      this.#rest();
      void this.#stayAwake(); // a browser takes the lock away from a hidden page
    });
    void this.#watchBattery();
  }

  /** For useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly get = (): Part => this.#part;

  /** Takes part in a session; the part in another one ends. */
  join(session: string, role: ParticipantRole): void {
    const { settings, state } = this.#part;
    if (this.#thread && session === this.#part.session && role === state.role && !isOver(state)) return;
    this.#end();
    const resume = resumeWord(session);
    const order: Order = {
      session: sessionAddress(session),
      blobs: new URL("/blobs/", location.href).href,
      role,
      ...runtimeOf(navigator.userAgent),
      workers: settings.workers,
      memory: settings.memory << 20,
      name: settings.name,
      ...(resume && role === "work" && { resume }),
    };
    this.#set({ session, state: initialState(role, settings.workers), paused: false });
    this.#start(order, restarts);
    void this.#stayAwake();
  }

  #start(order: Order, attempts: number): void {
    const thread = spawnParticipant() as Thread;
    this.#thread = thread;
    thread.addEventListener("message", ({ data }) => {
      if (thread !== this.#thread) return;
      this.#silent = 0;
      this.#hear(data);
    });
    thread.addEventListener("error", (event) => {
      if (thread === this.#thread) this.#fail(`the worker failed: ${event.message || "it could not be started"}`);
    });
    thread.postMessage({ type: "join", order });
    this.#rest();
    this.#silent = 0;
    clearInterval(this.#watch);
    this.#watch = setInterval(() => {
      if (++this.#silent < silences) return;
      thread.terminate();
      const { resume, workers } = this.#part.state;
      if (attempts > 0) this.#start({ ...order, workers, ...(resume && { resume }) }, attempts - 1);
      else this.#fail("the worker failed: it no longer answers");
    }, heartbeat);
  }

  leave(): void {
    this.#thread?.postMessage({ type: "leave" });
  }

  pause(paused: boolean): void {
    this.#set({ paused });
    this.#rest();
  }

  /** Changes settings; workers take effect between two leases. */
  change(change: Partial<Settings>): void {
    const settings = { ...this.#part.settings, ...change };
    keepSettings(JSON.stringify(settings));
    this.#set({ settings });
    if (change.workers !== undefined) this.#thread?.postMessage({ type: "workers", workers: change.workers });
    this.#rest();
    if (change.awake !== undefined) void this.#stayAwake();
  }

  ask(question: Question): Promise<Reply> {
    const thread = this.#thread;
    if (thread === undefined) return Promise.reject(new Failure("fetch", "this tab takes part in no session"));
    return new Promise((resolve, reject) => {
      const id = this.#questions++;
      this.#asked.set(id, { resolve, reject });
      thread.postMessage({ type: "ask", id, question });
    });
  }

  #hear(message: Message): void {
    if (message.type === "alive") return;
    if (message.type === "state") {
      const { state } = message;
      if (state.resume && state.role === "work") keepResumeWord(this.#part.session, state.resume);
      this.#set({ state });
      if (isOver(state)) this.#end();
      return;
    }
    const asked = this.#asked.get(message.id);
    this.#asked.delete(message.id);
    if ("failure" in message) asked?.reject(decodeFailure(message.failure));
    else asked?.resolve(message.value);
  }

  #fail(message: string): void {
    this.#set({ state: { ...this.#part.state, phase: "failed", failure: { kind: "engine", message } } });
    this.#end();
  }

  #end(): void {
    clearInterval(this.#watch);
    this.#thread?.terminate();
    this.#thread = undefined;
    for (const { reject } of this.#asked.values()) reject(new Failure("fetch", "this tab no longer takes part"));
    this.#asked.clear();
    void this.#stayAwake();
  }

  #rest(): void {
    const { settings, paused } = this.#part;
    const reason = restReason(
      settings,
      { hidden: document.visibilityState === "hidden", battery: this.#battery },
      paused,
    );
    this.#thread?.postMessage({ type: "rest", reason });
  }

  /** Only some browsers tell of the battery. */
  async #watchBattery(): Promise<void> {
    const { getBattery } = navigator as Navigator & { getBattery?: () => Promise<Battery> };
    const battery = await getBattery?.call(navigator).catch(() => undefined);
    if (battery === undefined) return;
    this.#battery = battery;
    for (const event of ["chargingchange", "levelchange"]) battery.addEventListener(event, () => this.#rest());
    this.#set({ battery: true });
    this.#rest();
  }

  /** Holds the screen's lock while it is wanted and there is something to work on. */
  async #stayAwake(): Promise<void> {
    if (!("wakeLock" in navigator)) return;
    const wanted = this.#part.settings.awake && this.#thread !== undefined && document.visibilityState === "visible";
    if (!wanted) {
      await this.#lock?.release().catch(() => {});
    } else if (this.#lock === undefined || this.#lock.released) {
      this.#lock = await navigator.wakeLock.request("screen").catch(() => undefined); // the device may refuse
    }
    this.#set({ awake: this.#lock !== undefined && !this.#lock.released });
  }

  #set(change: Partial<Part>): void {
    this.#part = { ...this.#part, ...change };
    for (const listener of this.#listeners) listener();
  }
}

/** What runs engines here, for the coordinator: audits go to another family. */
export function runtimeOf(agent: string): { readonly family: Family; readonly runtime: string } {
  const { browser, os } = describeAgent(agent);
  // Every browser of iOS is Safari within.
  const family =
    os === "iOS" || browser.startsWith("Safari") ? "jsc" : browser.startsWith("Firefox") ? "spidermonkey" : "v8";
  return { family, runtime: `${browser} on ${os}` };
}

let participation: Participation | undefined;

/** The one of this tab. */
export function theParticipation(): Participation {
  participation ??= new Participation();
  return participation;
}
