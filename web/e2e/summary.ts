// The last lines of a run: every test that failed, and why. All that some show of a run are its last lines.

import type { Reporter, TestModule } from "vitest/node";

/** Lines of an error that are repeated. */
const most = 24;

export default class Summary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    let retried = 0;
    for (const module of modules) {
      const errors = module.errors().map((e) => e.message);
      if (errors.length > 0) lines.push(`FAILED ${module.moduleId}`, ...errors);
      for (const test of module.children.allTests()) {
        const result = test.result();
        const diagnostic = test.diagnostic();
        if (diagnostic?.retryCount) retried++;
        if (result.state !== "failed") continue;
        const last = result.errors.at(-1);
        lines.push(`FAILED ${test.fullName} (${Math.round((diagnostic?.duration ?? 0) / 1000)} s)`);
        lines.push(...(last?.message ?? "no error was told").split("\n").slice(0, most));
      }
    }
    if (retried > 0) console.log(`${retried} tests were tried again`);
    if (lines.length > 0) console.log(["", "In short:", ...lines].join("\n"));
  }
}
