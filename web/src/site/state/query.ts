// A search, as the address of the front page says it: /?q=…&task=…&sort=…&page=2

import type { ClosureQuery } from "../api/client.ts";
import type { FacetName, Sort } from "../api/types.ts";
import type { Route } from "./route.ts";

export const pageSize = 24;

/** Facets in the order in which the page offers them. */
export const facetNames: readonly FacetName[] = ["task", "dataset", "license", "verified"];

export const sorts: readonly { readonly value: Sort; readonly label: string }[] = [
  { value: "newest", label: "Newest first" },
  { value: "name", label: "By name" },
  { value: "accuracy", label: "Most accurate" },
  { value: "size", label: "Smallest first" },
];

export interface Search {
  readonly q: string;
  readonly facets: Readonly<Partial<Record<FacetName, string>>>;
  readonly sort: Sort;
  /** Counts from 1. */
  readonly page: number;
}

export function readSearch(parameters: URLSearchParams): Search {
  const facets: Partial<Record<FacetName, string>> = {};
  for (const name of facetNames) {
    const value = parameters.get(name);
    if (value) facets[name] = value;
  }
  const sort = sorts.find((s) => s.value === parameters.get("sort"))?.value ?? "newest";
  return { q: (parameters.get("q") ?? "").slice(0, 200), facets, sort, page: readPage(parameters) };
}

export function readPage(parameters: URLSearchParams): number {
  const page = Number(parameters.get("page"));
  return Number.isSafeInteger(page) && page > 0 ? page : 1;
}

/** Writes only what differs from the plain front page, so that its address stays "/". */
export function searchPath({ q, facets, sort, page }: Search): string {
  const parameters = new URLSearchParams();
  if (q) parameters.set("q", q);
  for (const name of facetNames) {
    const value = facets[name];
    if (value) parameters.set(name, value);
  }
  if (sort !== "newest") parameters.set("sort", sort);
  if (page > 1) parameters.set("page", String(page));
  const text = parameters.toString();
  return text ? `/?${text}` : "/";
}

/** Where the form of the front page leads, if that is elsewhere than where the visitor is. */
export function askedFor(route: Route, form: FormData): string | undefined {
  if (route.page !== "closures") return undefined;
  const values = new URLSearchParams([...form].map(([name, value]) => [name, String(value)]));
  const asked = searchPath(readSearch(values));
  return asked === searchPath({ ...readSearch(route.search), page: 1 }) ? undefined : asked;
}

export function closureQuery({ q, facets, sort, page }: Search): ClosureQuery {
  return { q, ...facets, sort, offset: (page - 1) * pageSize, limit: pageSize };
}
