import type { ReactNode } from "react";
import "./table.css";

export interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => ReactNode;
  readonly numeric?: boolean;
  /** The cell that names its row, for readers who hear the table. */
  readonly heading?: boolean;
}

interface Props<Row> {
  readonly caption: string;
  /** Shows the caption to those who see the table, too. */
  readonly captioned?: boolean;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row, index: number) => string;
  readonly footer?: ReactNode;
}

/** A table that scrolls inside its own box where the page is narrow. */
export function Table<Row>({ caption, captioned, columns, rows, rowKey, footer }: Props<Row>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable from the keyboard.
    <div className="table-box" tabIndex={0}>
      <table className="table">
        <caption className={captioned ? undefined : "hidden-text"}>{caption}</caption>
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.name} scope="col" className={c.numeric ? "table-number" : undefined}>
                {c.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={rowKey(row, i)}>
              {columns.map((c) =>
                c.heading ? (
                  <th key={c.name} scope="row">
                    {c.cell(row)}
                  </th>
                ) : (
                  <td key={c.name} className={c.numeric ? "table-number" : undefined}>
                    {c.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
        {footer !== undefined && <tfoot>{footer}</tfoot>}
      </table>
    </div>
  );
}
