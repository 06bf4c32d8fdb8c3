import { type ReactNode, useId } from "react";

interface Props {
  readonly label: string;
  readonly hint?: string;
  /** Draws the control, of this id, described by that one. */
  readonly children: (id: string, described: string | undefined) => ReactNode;
}

/** A control with its name above and a word about it below. */
export function Field({ label, hint, children }: Props) {
  const id = useId();
  const described = hint === undefined ? undefined : `${id}-hint`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id, described)}
      {hint !== undefined && (
        <p id={described} className="soft field-hint">
          {hint}
        </p>
      )}
    </div>
  );
}
