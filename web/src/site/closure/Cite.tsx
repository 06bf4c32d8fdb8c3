import type { ClosureDetail } from "../api/types.ts";
import { Card } from "../ui/Card.tsx";
import { Command } from "../ui/Command.tsx";

/** How to name the closure in a paper. */
export function Cite({ detail }: { readonly detail: ClosureDetail }) {
  const { bibtex, cff } = detail.citation;
  return (
    <Card id="cite" title="Cite">
      {bibtex && (
        <div>
          <h3>BibTeX</h3>
          <Command text={bibtex.trim()} what="the BibTeX entry" />
        </div>
      )}
      {cff && (
        <div>
          <h3>CITATION.cff</h3>
          <Command text={cff.trim()} what="CITATION.cff" />
        </div>
      )}
      {!bibtex && !cff && <p className="soft">Cite it by its digest.</p>}
    </Card>
  );
}
