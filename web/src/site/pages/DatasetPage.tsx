import type { Dataset } from "../../gen/schema.ts";
import type { DatasetDetail, UsedBy } from "../api/types.ts";
import { Samples } from "../closure/Samples.tsx";
import { bytes, count, day, shape } from "../state/format.ts";
import { useLoaded } from "../state/react.ts";
import { closurePath, datasetPath, refOf } from "../state/route.ts";
import { useTitle } from "../state/title.ts";
import { Card } from "../ui/Card.tsx";
import { Command } from "../ui/Command.tsx";
import { Copy } from "../ui/Copy.tsx";
import { Digest } from "../ui/Digest.tsx";
import { type Fact, Facts } from "../ui/Facts.tsx";
import { Link } from "../ui/Link.tsx";
import { Loading } from "../ui/Status.tsx";
import { Table } from "../ui/Table.tsx";
import { clip, Text } from "../ui/Text.tsx";
import { Withdrawn } from "../ui/Withdrawn.tsx";
import { Unloaded } from "./Missing.tsx";
import "./closure.css";
import { Cover } from "../ui/Cover.tsx";
import "./dataset.css";

/** A dataset: what is in it, where it comes from, and who uses it. */
export default function DatasetPage({ reference }: { readonly reference: string }) {
  const { value, error, retry } = useLoaded(reference, (api, ref, signal) => api.dataset(ref, signal));
  if (error !== undefined) return <Unloaded what="dataset" error={error} retry={retry} />;
  return value === undefined ? <Loading what="the dataset" tall /> : <Shown detail={value} />;
}

function Shown({ detail }: { readonly detail: DatasetDetail }) {
  const { dataset, reference } = detail;
  useTitle(clip(dataset.title || reference.name, 80));
  return (
    <>
      <Cover className="head-words">
        <p className="head-path">
          <Link href="/d">Datasets</Link>
          <span aria-hidden="true"> / </span>
          <Text max={160}>{`${reference.name}:${reference.version}`}</Text>
        </p>
        <h1>
          <Text max={240}>{dataset.title || reference.name}</Text>
        </h1>
        {dataset.description && (
          <p className="head-about">
            <Text max={600}>{dataset.description}</Text>
          </p>
        )}
      </Cover>
      <div className="page closure">
        {detail.withdrawn !== null && <Withdrawn withdrawal={detail.withdrawn} />}
        <div className="closure-main">
          <Contents detail={detail} />
          <Classes dataset={dataset} />
          <Splits dataset={dataset} />
          <Sources dataset={dataset} />
          <Users usedBy={detail.usedBy} />
        </div>
        <aside className="closure-aside" aria-label="Identity and commands">
          <Identity detail={detail} />
        </aside>
      </div>
    </>
  );
}

function Contents({ detail }: { readonly detail: DatasetDetail }) {
  const { dataset, reference } = detail;
  const { record, splits } = dataset;
  const shown = splits.find((s) => s.name === "train") ?? splits[0];
  const facts: Fact[] = [
    { name: "Records", value: count(splits.reduce((sum, s) => sum + s.records, 0)) },
    { name: "Input", value: `${shape(record.input.shape)}, ${record.input.dtype}` },
    { name: "Target", value: `${shape(record.target.shape)}, ${record.target.dtype}` },
    { name: "Bytes of a record", value: count(record.size) },
    { name: "Licence", value: dataset.license ? <Text max={60}>{dataset.license}</Text> : "not stated" },
    ...(dataset.created ? [{ name: "Imported", value: day(dataset.created) }] : []),
  ];
  return (
    <Card title="Records">
      {shown !== undefined && (
        <Samples
          reference={`${reference.name}@${reference.digest}`}
          split={shown.name}
          input={record.input.shape}
          classes={dataset.classes?.length ?? 0}
        />
      )}
      <Facts facts={facts} />
    </Card>
  );
}

/** Most classes that are listed. */
const listed = 200;

function Classes({ dataset }: { readonly dataset: Dataset }) {
  const classes = dataset.classes ?? [];
  if (classes.length === 0) return null;
  return (
    <Card title="Classes" aside={<span className="soft number">{count(classes.length)}</span>}>
      <ul className="classes">
        {classes.slice(0, listed).map((name) => (
          <li key={name}>
            <Text max={80}>{name}</Text>
          </li>
        ))}
      </ul>
      {classes.length > listed && <p className="soft">… and {count(classes.length - listed)} more.</p>}
    </Card>
  );
}

function Splits({ dataset }: { readonly dataset: Dataset }) {
  return (
    <Card title="Splits">
      <Table
        caption="Splits"
        columns={[
          { name: "Split", cell: (s: Dataset["splits"][number]) => <Text max={40}>{s.name}</Text>, heading: true },
          { name: "Records", cell: (s) => count(s.records), numeric: true },
          { name: "Shards", cell: (s) => count(s.shards.length), numeric: true },
          { name: "Size", cell: (s) => bytes(s.shards.reduce((sum, shard) => sum + shard.size, 0)), numeric: true },
        ]}
        rows={dataset.splits}
        rowKey={(s) => s.name}
      />
    </Card>
  );
}

type Source = NonNullable<Dataset["sources"]>[number];

function Sources({ dataset }: { readonly dataset: Dataset }) {
  const sources = dataset.sources ?? [];
  if (sources.length === 0 && !dataset.citation) return null;
  return (
    <Card title="Sources">
      {dataset.citation && <Command text={dataset.citation.trim().slice(0, 4000)} what="the citation" />}
      {sources.length > 0 && (
        <Table
          caption="The files that it was imported from"
          captioned
          columns={[
            { name: "File", cell: (s: Source) => <Text max={120}>{s.name}</Text>, heading: true },
            { name: "Size", cell: (s) => bytes(s.size), numeric: true },
            { name: "Digest", cell: (s) => <Digest digest={s.sha256} short picture /> },
          ]}
          rows={sources.slice(0, 100)}
          rowKey={(s, i) => `${i} ${s.name}`}
        />
      )}
    </Card>
  );
}

function Users({ usedBy }: { readonly usedBy: readonly UsedBy[] }) {
  return (
    <Card title="Used by">
      {usedBy.length === 0 ? (
        <p className="soft">No closure in this zoo uses it yet.</p>
      ) : (
        <ul className="closure-relatives">
          {usedBy.slice(0, 100).map((user) => (
            <li key={user.digest}>
              <Link href={closurePath(refOf(user))}>
                <Text max={160}>{user.title || user.name}</Text>
              </Link>{" "}
              <span className="soft mono">
                <Text max={100}>{`${user.name}:${user.version}`}</Text>
              </span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Identity({ detail }: { readonly detail: DatasetDetail }) {
  const { reference, dataset } = detail;
  const permanent = datasetPath(`${reference.name}@${reference.digest}`);
  return (
    <>
      <Card title="Identity">
        <div className="identified">
          <h3>This dataset</h3>
          <Digest digest={reference.digest} picture short copy />
        </div>
        <div className="identified">
          <h3>Contents</h3>
          <Digest digest={dataset.content} picture short copy />
        </div>
        <p className="row">
          <a href={permanent}>Permanent link</a>
          <Copy text={new URL(permanent, document.baseURI).href} what="the permanent link" />
        </p>
      </Card>
      <Card title="On your machine">
        <Command text={`reprise dataset show ${refOf(reference)} --sheet sheet.png`} />
      </Card>
    </>
  );
}
