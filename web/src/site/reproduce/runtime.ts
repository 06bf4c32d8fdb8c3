// What this browser calls itself, for reports. It decides nothing.

const browsers: readonly (readonly [RegExp, string])[] = [
  [/Firefox\/(\d+)/, "Firefox"],
  [/Edg\/(\d+)/, "Edge"],
  [/OPR\/(\d+)/, "Opera"],
  [/(?:Chrome|Chromium)\/(\d+)/, "Chromium"],
  [/Version\/(\d+).*Safari/, "Safari"],
];

const systems: readonly (readonly [RegExp, string])[] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];

/** Reads a user agent. */
export function describeAgent(agent: string): { readonly browser: string; readonly os: string } {
  const found = browsers.map(([pattern, name]) => ({ name, match: pattern.exec(agent) })).find(({ match }) => match);
  return {
    browser: found?.match ? `${found.name} ${found.match[1]}` : "an unknown browser",
    os: systems.find(([pattern]) => pattern.test(agent))?.[1] ?? "an unknown system",
  };
}

/** Workers that leave a core to the page. */
export function defaultWorkers(cores: number | undefined): number {
  return Math.max(1, (cores ?? 2) - 1);
}

/** The most that the page offers: more than the cores is of no use, but does no harm. */
export function mostWorkers(cores: number | undefined): number {
  return Math.max(4, cores ?? 1);
}
