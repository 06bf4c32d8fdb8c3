import type { DatasetSummary } from "../api/types.ts";
import { bytes, count, shape } from "../state/format.ts";
import { pageSize, readPage } from "../state/query.ts";
import { useLoaded, useSite } from "../state/react.ts";
import { datasetPath, refOf } from "../state/route.ts";
import { useTitle } from "../state/title.ts";
import { Cover } from "../ui/Cover.tsx";
import { Link } from "../ui/Link.tsx";
import { Pages } from "../ui/Pages.tsx";
import { SearchField } from "../ui/SearchField.tsx";
import { Empty, Failed } from "../ui/Status.tsx";
import { Text } from "../ui/Text.tsx";
import { ClosureCardPlace } from "./ClosureCard.tsx";
import "./datasets.css";

/** Datasets to browse. */
export default function Datasets({ parameters }: { readonly parameters: URLSearchParams }) {
  const { location } = useSite();
  const q = (parameters.get("q") ?? "").slice(0, 200);
  const page = readPage(parameters);
  const { value, error, retry } = useLoaded(pathOf(q, page), (api, address, signal) => {
    const search = new URL(address, "http://localhost").searchParams;
    const offset = (readPage(search) - 1) * pageSize;
    return api.datasets({ q: search.get("q") ?? "", offset, limit: pageSize }, signal);
  });
  useTitle("Datasets");
  return (
    <>
      <Cover>
        <h1>Datasets</h1>
        <SearchField
          label="Search datasets"
          placeholder="Search by name, title, class …"
          value={q}
          onChange={(text) => location.replace(pathOf(text, 1))}
        />
      </Cover>
      <div className="page">
        <p role="status" className="found number">
          {value !== undefined && (value.total === 1 ? "1 dataset" : `${count(value.total)} datasets`)}
        </p>
        {error !== undefined && <Failed error={error} retry={retry} />}
        <ul className="cards">
          {value?.items.map((item) => (
            <li key={item.digest}>
              <DatasetCard dataset={item} />
            </li>
          )) ??
            (error === undefined && ["a", "b", "c"].map((place) => <ClosureCardPlace key={place} />))}
        </ul>
        {value !== undefined && value.total === 0 && <Empty>No dataset matches.</Empty>}
        {value !== undefined && <Pages page={page} total={value.total} size={pageSize} path={(to) => pathOf(q, to)} />}
      </div>
    </>
  );
}

function pathOf(q: string, page: number): string {
  const search = new URLSearchParams();
  if (q) search.set("q", q);
  if (page > 1) search.set("page", String(page));
  const text = search.toString();
  return text ? `/d?${text}` : "/d";
}

function DatasetCard({ dataset }: { readonly dataset: DatasetSummary }) {
  const { name, version, title, description, classes, splits, record, size, sample } = dataset;
  const records = Object.values(splits).reduce((sum, n) => sum + n, 0);
  return (
    <article className="closure-card dataset-card">
      <div className="closure-card-curve dataset-card-sample">
        {sample.startsWith("/api/") ? (
          <img src={sample} alt="" loading="lazy" decoding="async" />
        ) : (
          <span className="soft">{count(record.input.shape.reduce((a, b) => a * b, 1))} columns</span>
        )}
      </div>
      <header>
        <h2>
          <Link href={datasetPath(refOf(dataset))}>
            <Text max={160}>{title || name}</Text>
          </Link>
        </h2>
        <p className="closure-card-name">
          <Text max={120}>{`${name}:${version}`}</Text>
        </p>
      </header>
      <p className="closure-card-about">
        <Text max={220}>{description || classes.join(", ")}</Text>
      </p>
      <p className="closure-card-meta dataset-card-meta">
        {count(records)} records · {shape(record.input.shape)} · {classes.length} classes · {bytes(size)}
      </p>
    </article>
  );
}
