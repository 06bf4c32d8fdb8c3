import { Link } from "./Link.tsx";
import "./pages.css";

interface Props {
  readonly page: number;
  readonly total: number;
  readonly size: number;
  readonly path: (page: number) => string;
}

/** Leads through a long list. */
export function Pages({ page, total, size, path }: Props) {
  const last = Math.max(1, Math.ceil(total / size));
  if (last === 1) return null;
  return (
    <nav className="pages" aria-label="Pages of the list">
      {page > 1 ? (
        <Link className="button button-plain" href={path(Math.min(page - 1, last))} rel="prev">
          Previous
        </Link>
      ) : (
        <span />
      )}
      <span className="number">{`Page ${page} of ${last}`}</span>
      {page < last ? (
        <Link className="button button-plain" href={path(page + 1)} rel="next">
          Next
        </Link>
      ) : (
        <span />
      )}
    </nav>
  );
}
