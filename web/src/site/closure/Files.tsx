import type { ClosureFile } from "../../gen/schema.ts";
import type { ClosureDetail } from "../api/types.ts";
import { bytes } from "../state/format.ts";
import { useSite } from "../state/react.ts";
import { Card } from "../ui/Card.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Table } from "../ui/Table.tsx";
import { Text } from "../ui/Text.tsx";

/** The files that the closure is, by their digests. */
export function Files({ detail }: { readonly detail: ClosureDetail }) {
  const { api } = useSite();
  const { files } = detail.closure;
  const total = files.reduce((sum, file) => sum + file.size, 0);
  return (
    <Card id="files" title="Files" aside={<span className="soft number">{bytes(total)} together</span>}>
      <Table
        caption="Files"
        columns={[
          {
            name: "Path",
            heading: true,
            cell: (f: ClosureFile) => (
              <a href={api.blob(f.sha256)} download={f.path.split("/").at(-1)}>
                <Text max={120}>{f.path}</Text>
              </a>
            ),
          },
          { name: "Holds", cell: (f) => f.role },
          { name: "Size", cell: (f) => bytes(f.size), numeric: true },
          { name: "Digest", cell: (f) => <Digest digest={f.sha256} short picture /> },
        ]}
        rows={files}
        rowKey={(f) => f.path}
      />
    </Card>
  );
}
