// Our engines beside other systems, one core each: examples per second of training and of inference, as a table on standard
// output and in bin/bench. make bench-peers sets up what it needs. A system that is missing or cannot do a network is said to.
//
// Systems take turns at a network, and the best turn counts. Times are those of the processor, where /proc tells them.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cpus, loadavg } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Browser, browsers } from "../e2e/browser.ts";
import { operationsPerPass, peakModule } from "../src/worker/peak.ts";
import {
  browserPeak,
  type Network,
  type Peer,
  pagePeer,
  type Subject,
  torchPeer,
  wazeroSpeed,
} from "./peers/systems.ts";

const { REPRISE_BENCH_STORE: store, REPRISE_BENCH_SUBJECTS: file, REPRISE_BENCH_OUT: out } = process.env;
const { REPRISE_BENCH_RUNNER: runner, REPRISE_BENCH_NETWORKS: chosen } = process.env;
if (!store || !file || !out || !runner) throw new Error("make bench-peers says what to measure, and where to write it");
const python = process.env.REPRISE_PYTORCH ?? "/usr/bin/python3";
const turns = Number(process.env.REPRISE_BENCH_TURNS ?? "3");

/** Seconds of a processor that a turn, and the steps before the first, should take. */
const turnSeconds = 1.5;
const warmUpSeconds = 2;

const folder = fileURLToPath(new URL("peers", import.meta.url));
const subjects: readonly Subject[] = JSON.parse(readFileSync(file, "utf8"));
const all: readonly Network[] = JSON.parse(readFileSync(join(folder, "networks.json"), "utf8"));
const networks = all.filter((n) => chosen === undefined || chosen.split(",").includes(n.name));

interface Speed {
  /** Examples per second. */
  train?: number;
  infer?: number;
  /** GFLOP/s of training, and its share of the peak where that was measured. */
  rate?: number;
  ofPeak?: number;
  loss?: readonly number[];
  parameters?: number;
  version?: string;
  failure?: string;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** Serves the folder of the peers, engines by digest, and the module that measures the peak. */
async function serveFolder(engines: string) {
  const bodyOf = async (path: string): Promise<Uint8Array | undefined> => {
    if (path === "/peak.wasm") return peakModule();
    const engine = /^\/engines\/([0-9a-f]{64})\.wasm$/.exec(path)?.[1];
    return readFile(engine ? join(engines, "blobs", "sha256", engine) : join(folder, path)).catch(() => undefined);
  };
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname));
    const body = await bodyOf(path);
    if (body === undefined) response.writeHead(404).end();
    else
      response.writeHead(200, { "Content-Type": contentTypes[extname(path)] ?? "application/octet-stream" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { address: `http://127.0.0.1:${port}/`, close };
}

/** Warms a peer up and says how many of its steps fill a turn. */
async function stepsPerTurn(peer: Peer, what: "train" | "infer"): Promise<number> {
  let steps = 1;
  for (let spent = 0; ; ) {
    const { processor } = await peer.run(what, steps);
    spent += processor;
    const perStep = Math.max(processor, 0.01) / steps; // clocks of processes tick in hundredths
    if (spent >= warmUpSeconds) return Math.max(1, Math.round(turnSeconds / perStep));
    steps = Math.max(1, Math.min(4 * steps, Math.round(turnSeconds / perStep)));
  }
}

/** Lets peers take turns at one kind of work. */
async function race(peers: ReadonlyMap<string, Peer>, what: "train" | "infer", note: (name: string, s: Speed) => void) {
  const steps = new Map<string, number>();
  const best = new Map<string, number>();
  const losses = new Map<string, number[]>();
  const failed = new Set<string>();
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, peer] of peers) {
      if (failed.has(name)) continue;
      try {
        const n = steps.get(name) ?? (await stepsPerTurn(peer, what));
        steps.set(name, n);
        const work = await peer.run(what, n);
        best.set(name, Math.max(best.get(name) ?? 0, work.examples / Math.max(work.processor, 0.01)));
        if (work.loss !== undefined) losses.set(name, [...(losses.get(name) ?? []), work.loss]);
      } catch (thrown) {
        failed.add(name);
        note(name, { failure: reason(thrown) });
      }
    }
  }
  for (const [name, rate] of best) {
    if (!failed.has(name))
      note(name, what === "train" ? { train: rate, loss: losses.get(name) ?? [] } : { infer: rate });
  }
}

const reason = (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)).split("\n")[0] ?? "";

test("peers", { timeout: 3_600_000 }, async () => {
  const server = await serveFolder(store);
  const page = `${server.address}page.html`;
  const speeds: Record<string, Record<string, Speed>> = {};
  const note = (system: string, network: string, speed: Speed) => {
    speeds[system] = { ...speeds[system], [network]: { ...speeds[system]?.[network], ...speed } };
  };
  const peaks: Record<string, number> = {};
  const opened: { name: string; browser: Browser }[] = [];
  const missing: Record<string, string> = {};
  try {
    for (const { name, launch } of browsers("chromium,firefox")) {
      try {
        opened.push({ name, browser: await launch() });
      } catch (thrown) {
        missing[name] = reason(thrown);
      }
    }
    for (const network of networks) {
      const subject = subjects.find((s) => s.name === network.name);
      if (subject === undefined) throw new Error(`the yardstick has no ${network.name}`);
      const { seed, microbatches } = subject;
      const options = { engine: `/engines/${subject.engine.replace("sha256:", "")}.wasm`, seed, microbatches };
      const peers = new Map<string, Peer>();
      const add = async (system: string, open: () => Promise<Peer>) => {
        try {
          const peer = await open();
          peers.set(system, peer);
          note(system, network.name, { parameters: peer.parameters, version: peer.version });
        } catch (thrown) {
          note(system, network.name, { failure: reason(thrown) });
        }
      };
      for (const { name, browser } of opened) {
        peaks[name] = Math.max(peaks[name] ?? 0, await browserPeak(browser, page, operationsPerPass));
        await add(`Reprise, ${name}`, () => pagePeer(browser, page, "./reprise.js", network, options));
        if (name !== "chromium") continue;
        await add("TensorFlow.js wasm", () => pagePeer(browser, page, "./tensorflow.js", network, {}));
        await add("ConvNetJS", () => pagePeer(browser, page, "./convnet.js", network, {}));
      }
      await add("PyTorch", () => torchPeer(python, join(folder, "pytorch.py"), network, microbatches));
      await race(peers, "train", (system, speed) => note(system, network.name, speed));
      if (network.infer) await race(peers, "infer", (system, speed) => note(system, network.name, speed));
      for (const peer of peers.values()) await peer.close();
      try {
        const { train, infer, ofPeak } = await wazeroSpeed(runner, join(folder, "../../../runner"), network.name);
        note("Reprise, wazero", network.name, { train, ofPeak, ...(network.infer && { infer }) });
      } catch (thrown) {
        note("Reprise, wazero", network.name, { failure: reason(thrown) });
      }
      for (const [system, bySystem] of Object.entries(speeds)) {
        const speed = bySystem[network.name];
        if (speed?.train === undefined) continue;
        speed.rate = (speed.train * subject.flops) / 1e9;
        const peak = peaks[system.replace("Reprise, ", "")];
        if (peak !== undefined) speed.ofPeak = (100 * speed.rate) / peak;
      }
      write(speeds, peaks, missing);
    }
  } finally {
    server.close();
    for (const { browser } of opened) await browser.close();
  }
  expect(speeds["Reprise, wazero"]).toBeDefined();
});

function write(
  speeds: Record<string, Record<string, Speed>>,
  peaks: Record<string, number>,
  missing: Record<string, string>,
) {
  const systems = Object.keys(speeds).sort((a, b) => Number(b.startsWith("Reprise")) - Number(a.startsWith("Reprise")));
  const done = networks.filter((n) => systems.some((s) => speeds[s]?.[n.name]));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const short = (x: number) => (x >= 1000 ? Math.round(x).toString() : x.toPrecision(3));
  const failures: string[] = [];
  const table = (names: readonly Network[], cell: (s: Speed) => string | undefined) => [
    line(["", ...names.map((n) => n.name)]),
    line(["---", ...names.map(() => "---:")]),
    ...systems.map((system) =>
      line([
        system,
        ...names.map(({ name }) => {
          const speed = speeds[system]?.[name];
          if (speed?.failure !== undefined) {
            const text = `${system}, ${name}: ${speed.failure}`;
            if (!failures.includes(text)) failures.push(text);
            return `none (${failures.indexOf(text) + 1})`;
          }
          return (speed && cell(speed)) ?? "";
        }),
      ]),
    ),
  ];
  const reference = speeds["Reprise, chromium"] ?? {};
  const times = (what: "train" | "infer", name: string, speed: Speed) => {
    const [ours, theirs] = [reference[name]?.[what], speed[what]];
    return ours === undefined || theirs === undefined ? undefined : `${(ours / theirs).toFixed(2)}×`;
  };
  const ratios = (what: "train" | "infer", names: readonly Network[]) => [
    line(["", ...names.map((n) => n.name)]),
    line(["---", ...names.map(() => "---:")]),
    ...systems.map((s) => line([s, ...names.map((n) => times(what, n.name, speeds[s]?.[n.name] ?? {}) ?? "")])),
  ];
  const versions = Object.fromEntries(
    systems.map((s) => [s, Object.values(speeds[s] ?? {}).find((speed) => speed.version)?.version]),
  );
  const inferring = done.filter((n) => n.infer);
  const text = [
    "# Our engines beside others",
    "",
    `${cpus()[0]?.model}, one core for each; ${new Date().toISOString().slice(0, 16)}, load ${loadavg()[0]?.toFixed(1)}.`,
    "Best of some turns, by the processor's time. PyTorch and ours update once for 64 examples; ResNet-18 in four microbatches",
    "of 16, where TensorFlow.js updates after each. TensorFlow.js has gradients supplied that its backend lacks.",
    "",
    "## Training, examples/s",
    "",
    ...table(done, (s) => (s.train === undefined ? undefined : short(s.train))),
    "",
    "## Training, GFLOP/s by the textbook's count, and share of the measured f32x4 peak",
    "",
    ...table(done, (s) => {
      if (s.rate === undefined) return undefined;
      return s.ofPeak === undefined ? s.rate.toFixed(1) : `${s.rate.toFixed(1)} (${s.ofPeak.toFixed(0)} %)`;
    }),
    "",
    `Peaks: ${Object.entries(peaks)
      .map(([name, peak]) => `${name} ${peak.toFixed(1)}`)
      .join(", ")} GFLOP/s.`,
    "",
    "## Training: ours in Chromium, as a multiple of each",
    "",
    ...ratios("train", done),
    ...(inferring.length > 0
      ? [
          "",
          "## Inference, examples/s",
          "",
          ...table(inferring, (s) => (s.infer === undefined ? undefined : short(s.infer))),
          "",
          "## Inference: ours in Chromium, as a multiple of each",
          "",
          ...ratios("infer", inferring),
        ]
      : []),
    "",
    `Versions: ${Object.entries(versions)
      .filter(([, version]) => version)
      .map(([system, version]) => `${system} ${version}`)
      .join("; ")}.`,
    "",
    ...failures.map((f, i) => `${i + 1}. ${f}`),
    ...Object.entries(missing).map(([name, why]) => `- ${name} is missing: ${why}`),
  ].join("\n");
  mkdirSync(out as string, { recursive: true });
  writeFileSync(join(out as string, "peers.md"), `${text}\n`);
  const document = {
    processor: cpus()[0]?.model,
    at: new Date().toISOString(),
    load: loadavg(),
    peaks,
    versions,
    missing,
    speeds,
  };
  writeFileSync(join(out as string, "peers.json"), `${JSON.stringify(document, undefined, 1)}\n`);
  if (done.length === networks.length) process.stdout.write(`${text}\n`);
}
