// WebKitGTK, driven over the classic WebDriver protocol under a virtual display. On Debian:
// apt-get install webkit2gtk-driver xvfb

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import type { Browser } from "./browser.ts";
import { Diary } from "./diary.ts";

const miniBrowser = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";
const startAttempts = 100;
const startPause = 100; // ms

export async function launchWebKit(): Promise<Browser> {
  const binary = process.env.MINIBROWSER ?? miniBrowser;
  if (!existsSync(binary)) throw new Error(`${binary} is missing: apt-get install webkit2gtk-driver xvfb`);
  const display = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const port = await freePort();
  const driver = spawn("WebKitWebDriver", ["--host=127.0.0.1", `--port=${port}`], {
    stdio: "ignore",
    env: {
      ...process.env,
      DISPLAY: `:${await displayNumber(display)}`,
      WEBKIT_DISABLE_COMPOSITING_MODE: "1",
      LIBGL_ALWAYS_SOFTWARE: "1",
    },
  });
  const address = `http://127.0.0.1:${port}`;
  const end = () => {
    driver.kill();
    display.kill();
  };
  try {
    await ready(address);
    const { sessionId } = await command<{ sessionId: string }>(address, "POST", "/session", {
      capabilities: {
        alwaysMatch: { "webkitgtk:browserOptions": { binary, args: ["--automation"] }, timeouts: { script: 900_000 } },
      },
    });
    return session(address, `/session/${sessionId}`, end);
  } catch (error) {
    end();
    throw error;
  }
}

function session(address: string, path: string, end: () => void): Browser {
  return {
    async open(url) {
      // One window is enough: a new address ends the workers of the one before.
      await command(address, "POST", `${path}/url`, { url });
      return {
        diary: new Diary(url), // WebDriver's classic protocol tells nothing of the console
        evaluate: (expression) =>
          command<string>(address, "POST", `${path}/execute/async`, {
            script: `const done = arguments[0]; Promise.resolve(${expression}).then(done, (e) => done(String(e)));`,
            args: [],
          }),
        close: () => command(address, "POST", `${path}/url`, { url: "about:blank" }),
      };
    },
    async close() {
      await command(address, "DELETE", path);
      end();
    },
  };
}

/** Sends a WebDriver command (https://www.w3.org/TR/webdriver2/) and returns its value. */
async function command<T>(address: string, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(address + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { value } = (await response.json()) as { value: T & { message?: string } };
  if (!response.ok) throw new Error(`${method} ${path}: ${value?.message ?? response.status}`);
  return value;
}

async function ready(address: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await command(address, "GET", "/status");
      return;
    } catch (error) {
      if (attempt === startAttempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, startPause));
    }
  }
}

/** Xvfb writes the number of the display that it chose. */
function displayNumber(display: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    display.once("error", reject);
    display.once("exit", () => reject(new Error("Xvfb ended before it had a display")));
    display.stdio[3]?.once("data", (data: Buffer) => resolve(data.toString().trim()));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
