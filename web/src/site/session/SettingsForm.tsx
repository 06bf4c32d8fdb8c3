import { useEffect, useId, useState } from "react";
import { isOver } from "../../worker/participant/protocol.ts";
import { mostWorkers } from "../reproduce/runtime.ts";
import { Select } from "../ui/Select.tsx";
import { Field } from "./Field.tsx";
import { useParticipation } from "./react.ts";
import { memories, type Settings } from "./settings.ts";

/** Milliseconds for which a slider must rest before workers come or go. */
const rest = 600;

/** How much of the device to give, and when. */
export function SettingsForm() {
  const { settings, state, session, battery, awake, participation } = useParticipation();
  const id = useId();
  const active = session !== "" && !isOver(state);
  const cores = navigator.hardwareConcurrency;
  const [workers, setWorkers] = useState(settings.workers);
  useEffect(() => {
    if (workers === settings.workers) return;
    const timer = setTimeout(() => participation.change({ workers }), rest);
    return () => clearTimeout(timer);
  }, [workers, settings.workers, participation]);
  return (
    <div className="settings">
      <div className="workers">
        <label htmlFor={id}>Workers</label>
        <input
          id={id}
          type="range"
          min={1}
          max={mostWorkers(cores)}
          value={workers}
          onChange={(e) => setWorkers(e.target.valueAsNumber)}
        />
        <output htmlFor={id} className="number">
          {workers}
        </output>
        {cores !== undefined && <span className="soft">of {cores} cores</span>}
      </div>
      <Check
        label="Rest while this tab is hidden"
        checked={settings.restHidden}
        onChange={(restHidden) => participation.change({ restHidden })}
      />
      {awake !== undefined && (
        <Check
          label="Keep the screen on"
          hint={
            settings.awake && active && !awake
              ? "The device does not allow it now."
              : "A telephone that sleeps does not work."
          }
          checked={settings.awake}
          onChange={(on) => participation.change({ awake: on })}
        />
      )}
      <div className="fields">
        {battery && (
          <Select
            name="battery"
            label="On battery"
            value={settings.battery}
            options={[
              { value: "low", label: "rest below 20 %" },
              { value: "rest", label: "always rest" },
              { value: "work", label: "work on" },
            ]}
            onChange={(value) => participation.change({ battery: value as Settings["battery"] })}
          />
        )}
        <Select
          name="memory"
          label="Memory for data"
          value={String(settings.memory)}
          options={memories.map((m) => ({ value: String(m), label: `${m} MB${active ? ", from the next time" : ""}` }))}
          onChange={(value) => participation.change({ memory: Number(value) })}
        />
        <Field label="Your name, for others to see" hint={active ? "From the next time you join." : "May stay empty."}>
          {(field, described) => (
            <input
              id={field}
              aria-describedby={described}
              maxLength={40}
              autoComplete="nickname"
              value={settings.name}
              onChange={(e) => participation.change({ name: e.target.value })}
            />
          )}
        </Field>
      </div>
    </div>
  );
}

interface CheckProps {
  readonly label: string;
  readonly hint?: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

function Check({ label, hint, checked, onChange }: CheckProps) {
  return (
    <label className="check">
      <input type="checkbox" checked={checked} onChange={(e) => onChange(e.target.checked)} />
      <span>
        {label}
        {hint && <span className="soft field-hint"> {hint}</span>}
      </span>
    </label>
  );
}
