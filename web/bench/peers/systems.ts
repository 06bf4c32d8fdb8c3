// The systems that are compared, each as a Peer: pages in browsers, PyTorch, and our engines in wazero.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { Browser, Tab } from "../../e2e/browser.ts";
import { processorSeconds } from "./processor.ts";

export interface Network {
  readonly name: string;
  readonly title: string;
  readonly input: readonly number[];
  readonly batch: number;
  readonly infer?: boolean;
  readonly layers: readonly object[];
}

/** What cmd/yardstick says of a network's engine. */
export interface Subject {
  readonly name: string;
  readonly engine: string;
  readonly seed: number;
  readonly microbatches: number;
  /** Two for each textbook multiply-add of a trained example. */
  readonly flops: number;
}

export interface Work {
  readonly examples: number;
  /** By the clock. */
  readonly seconds: number;
  /** Of a processor. */
  readonly processor: number;
  readonly loss?: number;
}

/** A system with a network, ready to work. */
export interface Peer {
  readonly version: string;
  readonly parameters: number;
  run(what: "train" | "infer", steps: number): Promise<Work>;
  close(): Promise<void>;
}

interface Answer {
  readonly value?: Record<string, number | string>;
  readonly failure?: string;
}

type Ask = (method: string, argument: unknown) => Promise<Record<string, number | string>>;

function answerOf(text: string): Record<string, number | string> {
  const { value, failure } = JSON.parse(text) as Answer;
  if (value === undefined) throw new Error(failure ?? "no answer");
  return value;
}

/** Opens a network by the protocol that pages and PyTorch share. */
async function open(ask: Ask, argument: unknown, close: () => Promise<void>): Promise<Peer> {
  try {
    const { version, parameters } = await ask("open", argument);
    return {
      version: String(version),
      parameters: Number(parameters),
      async run(what, steps) {
        const before = processorSeconds();
        const work = await ask(what, steps);
        const after = processorSeconds();
        const seconds = Number(work.seconds);
        const own = work.processor ?? (before === undefined || after === undefined ? seconds : after - before);
        return { examples: Number(work.examples), seconds, processor: Number(own), loss: Number(work.loss) };
      },
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

export async function pagePeer(browser: Browser, page: string, module: string, network: Network, options: object) {
  const tab: Tab = await browser.open(page);
  const ask: Ask = async (method, argument) => {
    const ready = "new Promise((go) => { const w = () => (window.peer ? go() : setTimeout(w, 10)); w(); })";
    const call = `window.peer(${JSON.stringify(method)}, ${JSON.stringify(argument)})`;
    return answerOf(await tab.evaluate(`${ready}.then(() => ${call})`));
  };
  return open(ask, { module, network, options }, () => tab.close());
}

/** The peak of a browser in GFLOP/s, from its best try. */
export async function browserPeak(browser: Browser, page: string, operationsPerPass: number): Promise<number> {
  const passes = 100_000_000; // a quarter of a second: the time of processes is counted in hundredths
  const tab = await browser.open(page);
  let best = 0;
  for (let i = 0; i < 5; i++) {
    const ready = "new Promise((go) => { const w = () => (window.peer ? go() : setTimeout(w, 10)); w(); })";
    const before = processorSeconds();
    const { seconds } = answerOf(await tab.evaluate(`${ready}.then(() => window.peer("peak", ${passes}))`));
    const after = processorSeconds();
    const spent = before === undefined || after === undefined ? Number(seconds) : after - before;
    if (i > 0) best = Math.max(best, (passes * operationsPerPass) / spent / 1e9); // the first compiles
  }
  await tab.close();
  return best;
}

export async function torchPeer(python: string, script: string, network: Network, microbatches: number): Promise<Peer> {
  const child: ChildProcess = spawn(python, [script], {
    env: { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${python} ended with ${code}; has it PyTorch?`)));
  });
  ended.catch(() => undefined); // whoever asks hears of it
  if (child.stdin === null || child.stdout === null) throw new Error(`${python} has no pipes`);
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask: Ask = async (method, argument) => {
    stdin.write(`${JSON.stringify({ method, argument })}\n`);
    const line = await Promise.race([lines.next(), ended]);
    if (line.done) throw new Error(`${python} ended`);
    return answerOf(line.value);
  };
  return open(ask, { network, microbatches }, async () => {
    stdin.end();
  });
}

export interface NativeSpeed {
  readonly train: number;
  readonly infer: number;
  readonly ofPeak: number;
}

/** What BenchmarkStep and BenchmarkPredict, built as a program, say of our engine in wazero. */
export async function wazeroSpeed(program: string, folder: string, network: string): Promise<NativeSpeed> {
  const arguments_ = [
    "-test.run",
    "^$",
    "-test.bench",
    `^Benchmark(Step|Predict)$/^${network}$`,
    "-test.benchtime",
    "2s",
  ];
  const { stdout } = await promisify(execFile)(program, arguments_, { cwd: folder, maxBuffer: 1 << 24 });
  const metric = (benchmark: string, unit: string) => {
    const line = stdout.split("\n").find((l) => l.startsWith(`Benchmark${benchmark}/${network}`));
    const cells = line?.split("\t").map((cell) => cell.trim().split(" ")) ?? [];
    const value = Number(cells.find((cell) => cell.at(-1) === unit)?.[0]);
    if (!Number.isFinite(value)) throw new Error(`no ${unit} of ${network} in:\n${stdout}`);
    return value;
  };
  return {
    train: metric("Step", "examples/s"),
    infer: metric("Predict", "examples/s"),
    ofPeak: metric("Step", "%-of-peak"),
  };
}
