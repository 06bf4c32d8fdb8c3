import type { ClosureDetail, Parent, Version } from "../api/types.ts";
import { day } from "../state/format.ts";
import { useSite } from "../state/react.ts";
import { closurePath, refOf } from "../state/route.ts";
import { Card } from "../ui/Card.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Link } from "../ui/Link.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";

/** Where the closure comes from and what became of it. */
export function Lineage({ detail }: { readonly detail: ClosureDetail }) {
  const { versions, parents, children, reference, closure } = detail;
  return (
    <Card id="lineage" title="Versions and lineage">
      <Table
        caption="Versions"
        columns={[
          {
            name: "Version",
            heading: true,
            cell: (v: Version) =>
              v.digest === reference.digest ? (
                <>
                  <Text max={60}>{v.version}</Text> <span className="soft">(this one)</span>
                </>
              ) : (
                <Link href={closurePath(refOf({ name: reference.name, version: v.version }))}>
                  <Text max={60}>{v.version}</Text>
                </Link>
              ),
          },
          { name: "Digest", cell: (v) => <Digest digest={v.digest} short picture /> },
          { name: "Made", cell: (v) => day(v.created) },
          ...(versions.some((v) => v.withdrawn !== null)
            ? [{ name: "Withdrawn", cell: (v: Version) => v.withdrawn && <Text max={200}>{v.withdrawn.reason}</Text> }]
            : []),
        ]}
        rows={versions}
        rowKey={(v) => v.version}
      />
      <Relatives
        title="Made from"
        none={closure.imported ? undefined : "It was trained from its seed, from nothing else."}
        relatives={parents}
      />
      <Imported detail={detail} />
      <Relatives title="Made of it" none="Nothing in this zoo was made of it yet." relatives={children} />
    </Card>
  );
}

/** The model of another program that the parameters come from, which is kept as it was. */
function Imported({ detail }: { readonly detail: ClosureDetail }) {
  const { api } = useSite();
  const { imported, files } = detail.closure;
  if (imported === undefined) return null;
  const original = files.find((f) => f.path === imported.file);
  return (
    <p className="closure-imported">
      Its run began with parameters imported from{" "}
      {original ? (
        <a href={api.blob(original.sha256)} download={original.path.split("/").at(-1)}>
          <Text max={120}>{original.path}</Text>
        </a>
      ) : (
        <Text max={120}>{imported.file}</Text>
      )}{" "}
      (format <Text max={40}>{imported.format}</Text>
      {imported.tool && (
        <>
          , written by <Text max={100}>{imported.tool}</Text>
        </>
      )}
      ). How they were trained before is not part of this closure.
    </p>
  );
}

interface RelativesProps {
  readonly title: string;
  /** What is said where there are none; nothing if something else says where it comes from. */
  readonly none: string | undefined;
  readonly relatives: readonly Parent[];
}

function Relatives({ title, none, relatives }: RelativesProps) {
  return (
    <div>
      <h3>{title}</h3>
      {relatives.length === 0 ? (
        none && <p className="soft">{none}</p>
      ) : (
        <ul className="closure-relatives">
          {relatives.map((r) => (
            <li key={r.digest}>
              <span className="soft">{r.relation}:</span>{" "}
              {r.name ? (
                <Link href={closurePath(refOf(r))}>
                  <Text max={120}>{`${r.name}:${r.version}`}</Text>
                </Link>
              ) : (
                <span>not in this zoo</span>
              )}{" "}
              <Digest digest={r.digest} short />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
