import { Field } from "./Field.tsx";

interface Props {
  readonly label: string;
  readonly rows: number;
  readonly placeholder?: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
}

/** The text of a specification. */
export function SpecificationField({ label, rows, placeholder, value, onChange }: Props) {
  return (
    <Field label={label} hint="YAML or JSON. Its datasets must be in this zoo.">
      {(id, described) => (
        <textarea
          id={id}
          aria-describedby={described}
          className="field-text mono"
          rows={rows}
          required
          spellCheck={false}
          placeholder={placeholder}
          value={value}
          onChange={(e) => onChange(e.target.value)}
        />
      )}
    </Field>
  );
}
