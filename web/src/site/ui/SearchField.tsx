import { useEffect, useRef, useState } from "react";
import { useSettled } from "../state/react.ts";
import "./search.css";

interface Props {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

/** How long typing must rest before it is searched for, in milliseconds. */
const rest = 200;

export function SearchField({ label, placeholder, value, onChange }: Props) {
  const [text, setText] = useState(value);
  const settled = useSettled(text, rest);
  const reported = useRef(value);
  const change = useRef(onChange);
  useEffect(() => {
    change.current = onChange;
  });
  useEffect(() => {
    if (settled === reported.current) return;
    reported.current = settled;
    change.current(settled);
  }, [settled]);
  useEffect(() => {
    // Going back, or clearing all, changes the value from outside.
    if (value === reported.current) return;
    reported.current = value;
    setText(value);
  }, [value]);
  const submit = () => {
    reported.current = text;
    onChange(text);
  };
  return (
    <search>
      <form
        className="search"
        id="search"
        action="/"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <label className="hidden-text" htmlFor="q">
          {label}
        </label>
        <input
          id="q"
          name="q"
          type="search"
          value={text}
          maxLength={200}
          placeholder={placeholder}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => setText(event.target.value)}
        />
      </form>
    </search>
  );
}
