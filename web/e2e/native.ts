// The command line as processes: what an owner says to a session, and native participants, which can be stopped and killed.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ParticipantStatus, SessionDetail } from "../src/site/session/types.ts";
import { get, site } from "./visit.ts";

const reprise = fileURLToPath(new URL("../../bin/reprise", import.meta.url));

/** A folder of these tests, in which the command line also remembers its sessions. */
export const folder = mkdtempSync(join(tmpdir(), "reprise-e2e-"));

const environment = { ...process.env, XDG_CONFIG_HOME: folder, REPRISE_SERVER: site, REPRISE_STORE: site };

/** Runs a command on the site, and returns what it answers. */
export async function command<T>(...args: string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(reprise, [...args, "--json", "--quiet"], {
    env: environment,
    maxBuffer: 64 << 20,
  });
  return JSON.parse(stdout) as T;
}

/** A participant that is a process. */
export class Native {
  readonly name: string;
  readonly #process: ChildProcess;

  /** Joins by way of an address of the server. */
  constructor(name: string, address: string, session: string) {
    this.name = name;
    const args = ["join", `${address}/join/${session}`, "--workers", "1", "--name", name, "--quiet"];
    this.#process = spawn(reprise, args, { env: environment, stdio: "ignore" });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }
}

const patience = 240_000;

/** A session, as its owner sees it. It begins paused. */
export class OwnSession {
  readonly id: string;
  readonly owner: string;
  readonly #natives: Native[] = [];

  static async start(...args: string[]): Promise<OwnSession> {
    const { id, owner } = await command<{ id: string; owner: string }>("session", "start", ...args);
    const session = new OwnSession(id, owner);
    await session.say("pause");
    return session;
  }

  private constructor(id: string, owner: string) {
    this.id = id;
    this.owner = owner;
  }

  say(verb: "pause" | "resume" | "stop"): Promise<unknown> {
    return command("session", verb, this.id);
  }

  join(name: string, address = site as string): Native {
    const native = new Native(name, address, this.id);
    this.#natives.push(native);
    return native;
  }

  /** Ends what is left of a test. */
  end(): void {
    for (const native of this.#natives) native.signal("SIGKILL");
  }

  detail(): Promise<SessionDetail> {
    return get(`/api/v1/sessions/${this.id}`);
  }

  /** Waits for something that its page would show. */
  async until(what: string, so: (detail: SessionDetail) => boolean): Promise<SessionDetail> {
    for (const end = Date.now() + patience; ; await new Promise((go) => setTimeout(go, 10))) {
      const detail = await this.detail();
      if (so(detail)) return detail;
      const { state, step, steps, people, log } = detail;
      const over = ["published", "stopped", "failed"].includes(state) || detail.error !== undefined;
      if (Date.now() > end || over) {
        const who = people.map((p) => `${p.name ?? p.id} ${p.family} ${p.state} ${p.computed}`).join(", ");
        const lines = log.slice(0, 20).map((l) => `  step ${l.step}: ${l.text}`);
        throw new Error(
          [`in vain: ${what}; ${state} at step ${step} of ${steps}; ${who}; ${detail.error ?? ""}`, ...lines].join(
            "\n",
          ),
        );
      }
    }
  }

  /** Waits until so many are there. */
  ready(participants: number): Promise<SessionDetail> {
    return this.until(`${participants} are there`, ({ people }) => {
      return people.filter((p) => p.state === "idle" || p.state === "working").length === participants;
    });
  }

  /** Waits until everybody who is there has computed something. */
  everybodyWorks(): Promise<SessionDetail> {
    return this.until("everybody computes something", ({ people }) => {
      return people.every((p) => p.state === "gone" || p.computed > 0);
    });
  }

  gone(who: (p: ParticipantStatus) => boolean, howMany: number): Promise<SessionDetail> {
    return this.until(`${howMany} are gone`, ({ people }) => {
      return people.filter((p) => p.state === "gone" && who(p)).length === howMany;
    });
  }

  /** Waits until it is published, and tells who did what. */
  async over(): Promise<SessionDetail> {
    const over = await this.until("it is published", ({ state }) => state === "published");
    const work = over.people.map((p) => `${p.name ?? p.runtime ?? p.id} ${p.verified}`).join(", ");
    const { joins, leaves, audits } = over;
    console.log(`microbatches: ${work}; ${joins} joins, ${leaves} leaves, ${audits.releases} leased again`);
    return over;
  }
}
