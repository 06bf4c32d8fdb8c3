import { useEffect } from "react";
import type { FacetName, FacetValue } from "../api/types.ts";
import { count, words } from "../state/format.ts";
import { closureQuery, facetNames, pageSize, readSearch, type Search, searchPath, sorts } from "../state/query.ts";
import { useLoaded, useSite } from "../state/react.ts";
import { useTitle } from "../state/title.ts";
import { Button } from "../ui/Button.tsx";
import { Cover } from "../ui/Cover.tsx";
import { Pages } from "../ui/Pages.tsx";
import { SearchField } from "../ui/SearchField.tsx";
import { Select } from "../ui/Select.tsx";
import { Failed } from "../ui/Status.tsx";
import { clip } from "../ui/Text.tsx";
import { ClosureCard, ClosureCardPlace } from "./ClosureCard.tsx";
import "./closures.css";

const facetLabels: Readonly<Record<FacetName, { readonly label: string; readonly all: string }>> = {
  task: { label: "Task", all: "Any task" },
  dataset: { label: "Dataset", all: "Any dataset" },
  license: { label: "Licence", all: "Any licence" },
  verified: { label: "Verified", all: "Verified or not" },
};

/** The front page: closures to browse. */
export function Closures({ parameters }: { readonly parameters: URLSearchParams }) {
  const { location } = useSite();
  const search = readSearch(parameters);
  const path = searchPath(search);
  const { value, error, key, loading, retry } = useLoaded(path, (api, address, signal) =>
    api.closures(closureQuery(readSearch(new URL(address, "http://localhost").searchParams)), signal),
  );
  useTitle("");
  useEffect(() => {
    if (!value?.unread) return;
    const timer = setTimeout(retry, 1000);
    return () => clearTimeout(timer);
  }, [value, retry]);
  const change = (part: Partial<Search>) => location.replace(searchPath({ ...search, page: 1, ...part }));
  const narrowed = search.q !== "" || Object.keys(search.facets).length > 0;
  return (
    <>
      <Cover className="front" curve={theme}>
        <h1>Results you can play back</h1>
        <p>
          Each closure keeps a model with its data, its code and the journal of its training. Open one and recompute its
          numbers in this tab: the same to the last bit, or the place where they part.
        </p>
        <SearchField
          label="Search closures"
          placeholder="Search by name, task, dataset, author …"
          value={search.q}
          onChange={(q) => change({ q })}
        />
      </Cover>
      <div className="page">
        <div className="filters">
          {facetNames.map((name) => (
            <Select
              key={name}
              name={name}
              label={facetLabels[name].label}
              value={search.facets[name] ?? ""}
              options={[
                { value: "", label: facetLabels[name].all },
                ...facetOptions(value?.facets?.[name] ?? [], search.facets[name]),
              ]}
              onChange={(facet) => change({ facets: { ...search.facets, [name]: facet } })}
            />
          ))}
          <Select
            name="sort"
            label="Order"
            value={search.sort}
            options={sorts}
            onChange={(sort) => change({ sort: sorts.find((s) => s.value === sort)?.value ?? "newest" })}
          />
          <noscript>
            <button className="button button-plain" form="search" type="submit">
              Show these
            </button>
          </noscript>
        </div>
        <div className="found">
          <p role="status" className="number">
            {value !== undefined && (value.total === 1 ? "1 closure" : `${count(value.total)} closures`)}
          </p>
          {value !== undefined && value.unread > 0 && (
            <p className="soft">The store is still being read: {count(value.unread)} more to come.</p>
          )}
          {narrowed && (
            <Button kind="quiet" onClick={() => change({ q: "", facets: {} })}>
              Clear the search
            </Button>
          )}
        </div>
        {error !== undefined ? (
          <Failed error={error} retry={retry} />
        ) : (
          <ul className="cards" aria-busy={loading && key !== undefined}>
            {value?.items.map((item) => (
              <li key={item.digest}>
                <ClosureCard closure={item} />
              </li>
            )) ?? places.map((place) => <ClosureCardPlace key={place} />)}
          </ul>
        )}
        {value !== undefined && value.total === 0 && <Nothing narrowed={narrowed} />}
        {value !== undefined && (
          <Pages
            page={search.page}
            total={value.total}
            size={pageSize}
            path={(page) => searchPath({ ...search, page })}
          />
        )}
      </div>
    </>
  );
}

/** What the cover of the zoo plays: a training as any other. */
const theme = Array.from(
  { length: 60 },
  (_, i) => 0.06 + Math.exp(-i / 13) * (1 + 0.2 * Math.sin(i * 2.7) * Math.cos(i)),
);

/** As many empty cards as are seen at first. */
const places = ["a", "b", "c", "d", "e", "f"];

function Nothing({ narrowed }: { readonly narrowed: boolean }) {
  return narrowed ? (
    <p>Nothing here matches all of that. Fewer words or filters find more.</p>
  ) : (
    <p>
      This zoo is still empty. <code>reprise demo</code> trains and publishes a first closure;{" "}
      <code>reprise publish DIR</code> publishes one of yours.
    </p>
  );
}

/** The values of a facet, and the chosen one even where the search has none of it left. */
function facetOptions(values: readonly FacetValue[], chosen: string | undefined) {
  const options = values.map((v) => ({ value: v.value, label: `${clip(words(v.value), 60)} (${count(v.count)})` }));
  if (chosen && !values.some((v) => v.value === chosen)) options.push({ value: chosen, label: clip(chosen, 60) });
  return options;
}
