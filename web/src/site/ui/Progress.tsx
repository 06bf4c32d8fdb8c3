import "./progress.css";

interface Props {
  readonly label: string;
  /** Without a value it is only known that something goes on. */
  readonly value?: number;
  readonly max?: number;
  /** Stands at the end of the line: "step 40 of 141". */
  readonly text?: string;
}

export function Progress({ label, value, max = 1, text }: Props) {
  return (
    <div className="progress">
      <div className="progress-words">
        <span>{label}</span>
        {text !== undefined && <span className="soft number">{text}</span>}
      </div>
      <progress aria-label={label} max={max} {...(value === undefined ? {} : { value })} />
    </div>
  );
}
