import { type ReactNode, useId } from "react";
import "./card.css";

interface Props {
  readonly title?: ReactNode;
  /** Stands beside the title, at the end of its line. */
  readonly aside?: ReactNode;
  /** Where a link inside the page leads to. */
  readonly id?: string;
  readonly level?: 2 | 3;
  readonly children: ReactNode;
}

/** A section on a sheet of its own, named by its title. */
export function Card({ title, aside, id, level = 2, children }: Props) {
  const heading = useId();
  const Heading = `h${level}` as const;
  return (
    <section className="card" id={id} aria-labelledby={title === undefined ? undefined : heading}>
      {title !== undefined && (
        <header className="card-header">
          <Heading id={heading}>{title}</Heading>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}
