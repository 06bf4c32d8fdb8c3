// Addresses of pages, as values. A reference is name, name:version or name@digest, as on the command line.

export type Route =
  | { readonly page: "closure"; readonly ref: string }
  | { readonly page: "dataset"; readonly ref: string }
  | { readonly page: "sessions" }
  | { readonly page: "start"; readonly search: URLSearchParams }
  | { readonly page: "session"; readonly ref: string }
  | { readonly page: "join"; readonly ref: string }
  | { readonly page: "about" }
  | { readonly page: "missing"; readonly path: string };

/** Reads the address of a page. */
export function parseRoute(path: string, search = ""): Route {
  const parameters = new URLSearchParams(search);
  const trimmed = path.replace(/\/+$/, "");
  if (trimmed === "/about") return { page: "about" };
  if (trimmed === "/sessions") return { page: "sessions" };
  if (trimmed === "/sessions/new") return { page: "start", search: parameters };
  const found = /^\/(c|d|s|join)\/(.+)$/.exec(trimmed);
  const ref = found?.[2] === undefined ? undefined : decode(found[2]);
  if (found === null || ref === undefined) return { page: "missing", path };
  return { page: pages[found[1] as keyof typeof pages], ref };
}

/** Tells the lists, which the server draws (src/lists), from the site's own pages. */
export function isDrawn(address: string): boolean {
  return /^\/(d\/?)?([?#]|$)/.test(address);
}

const pages = { c: "closure", d: "dataset", s: "session", join: "join" } as const;

/** decodeURIComponent, but undefined for what it cannot read. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

interface Named {
  readonly name: string;
  readonly version?: string;
  readonly digest?: string;
}

/** A reference to this version; where it is not known, to this digest. */
export function refOf({ name, version, digest }: Named): string {
  if (version) return `${name}:${version}`;
  return digest ? `${name}@${digest}` : name;
}

/** Escapes a reference for a path, but leaves the colon and the at sign, which paths may hold, readable. */
function pathOf(ref: string): string {
  return encodeURIComponent(ref).replaceAll("%3A", ":").replaceAll("%40", "@").replaceAll("%2F", "/");
}

export function closurePath(ref: string): string {
  return `/c/${pathOf(ref)}`;
}

export function datasetPath(ref: string): string {
  return `/d/${pathOf(ref)}`;
}

export function sessionPath(id: string): string {
  return `/s/${encodeURIComponent(id)}`;
}

export function joinPath(id: string): string {
  return `/join/${encodeURIComponent(id)}`;
}

/** Where a session is begun: of a closure, if one is named. */
export function startPath(ref?: string): string {
  return ref === undefined ? "/sessions/new" : `/sessions/new?closure=${encodeURIComponent(ref)}`;
}
