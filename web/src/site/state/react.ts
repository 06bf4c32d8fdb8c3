// React's end of the state: what a page shows follows what these hold.

import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { Api } from "../api/client.ts";
import type { First } from "./first.ts";
import type { Location } from "./location.ts";
import { type Loaded, Resource } from "./resource.ts";
import type { Route } from "./route.ts";
import type { Theme, ThemeChoice } from "./theme.ts";

export interface Site {
  readonly api: Api;
  readonly location: Location;
  readonly theme: ThemeChoice;
  /** What the server wrote into the page; absent where it wrote nothing. */
  readonly first?: First;
}

export const SiteContext = createContext<Site | undefined>(undefined);

export function useSite(): Site {
  const site = useContext(SiteContext);
  if (site === undefined) throw new Error("a part of the site stands outside SiteContext");
  return site;
}

export function useRoute(): Route {
  const { location } = useSite();
  const get = () => location.route;
  return useSyncExternalStore(location.subscribe, get, get);
}

export function useTheme(): Theme {
  const { theme } = useSite();
  return useSyncExternalStore(theme.subscribe, theme.get, () => "system"); // the server knows no choice
}

/** Loads what the key names, unless the page came with it, and again when the key changes. */
export function useLoaded<T>(
  key: string,
  load: (api: Api, key: string, signal: AbortSignal) => Promise<T>,
): Loaded<T> & { readonly retry: () => void } {
  const { api, first } = useSite();
  const [resource] = useState(
    () => new Resource<T>((k, signal) => load(api, k, signal), initial(key, first?.take(key) as T | undefined)),
  );
  useEffect(() => {
    resource.want(key);
    return () => resource.stop();
  }, [resource, key]);
  return { ...useSyncExternalStore(resource.subscribe, resource.get, resource.get), retry: resource.retry };
}

function initial<T>(key: string, value: T | undefined): { key: string; value: T } | undefined {
  return value === undefined ? undefined : { key, value };
}
