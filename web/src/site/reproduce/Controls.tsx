import { type MouseEvent, type ReactNode, useId, useState } from "react";
import type { ClosureDetail } from "../api/types.ts";
import { bytes, count } from "../state/format.ts";
import { Button } from "../ui/Button.tsx";
import { Card } from "../ui/Card.tsx";
import { Progress } from "../ui/Progress.tsx";
import { isActive, type Job } from "./job.ts";
import { secondsLeft } from "./meter.ts";
import type { Mode, Phase, Progress as ProgressData } from "./protocol.ts";
import { mostWorkers } from "./runtime.ts";

interface Props {
  readonly closure: ClosureDetail;
  readonly job: Job;
  readonly workers: number;
  readonly onWorkers: (workers: number) => void;
  readonly onStart: (mode: Mode) => void;
  readonly onPause: () => void;
  readonly onResume: () => void;
  readonly onStop: () => void;
}

/** What to do, with how much of this machine, and how far it is. */
export function Controls(props: Props) {
  const { closure, job, workers } = props;
  const [mode, setMode] = useState<Mode>("verify");
  const active = isActive(job);
  const { results, algorithm } = closure.closure;
  const records = results.reduce((most, r) => Math.max(most, r.total), 0);
  const start = () => props.onStart(mode);
  const begin = { label: mode === "verify" ? "Verify now" : "Replay now", next: start };
  const { label, next } =
    job.status === "running"
      ? { label: "Pause", next: props.onPause }
      : job.status === "paused"
        ? { label: "Resume", next: props.onResume }
        : begin;
  const stop = (event: MouseEvent<HTMLButtonElement>) => {
    (event.currentTarget.previousElementSibling as HTMLElement | null)?.focus();
    props.onStop();
  };
  return (
    <Card title="Reproduce" aside={<span className="soft">recomputed here, in your browser</span>}>
      <fieldset className="modes" disabled={active}>
        <legend className="hidden-text">What to recompute</legend>
        <ModeChoice mode="verify" chosen={mode} onChoose={setMode} title="Verify the claims">
          Checks every stored byte, then lets the archived model predict {count(records)} records without seeing their
          labels, and counts.
        </ModeChoice>
        <ModeChoice mode="replay" chosen={mode} onChoose={setMode} title="Replay the training">
          Trains again from seed {algorithm.seed}: {count(algorithm.steps ?? 0)} steps of {count(algorithm.batchSize)}{" "}
          examples, each compared with the journal, bit for bit.
        </ModeChoice>
      </fieldset>
      <div className="row controls">
        <div className="row">
          {/* One button, whatever it does now, so that the focus stays where it is. */}
          <Button kind={job.status === "running" ? "plain" : "primary"} onClick={next}>
            {label}
          </Button>
          {active && <Button onClick={stop}>Stop</Button>}
        </div>
        <Workers workers={workers} disabled={active} onWorkers={props.onWorkers} />
      </div>
      {job.status !== "idle" && <Advance job={job} />}
    </Card>
  );
}

interface ModeProps {
  readonly mode: Mode;
  readonly chosen: Mode;
  readonly onChoose: (mode: Mode) => void;
  readonly title: string;
  readonly children: ReactNode;
}

function ModeChoice({ mode, chosen, onChoose, title, children }: ModeProps) {
  return (
    <label className="mode">
      <input type="radio" name="mode" value={mode} checked={mode === chosen} onChange={() => onChoose(mode)} />
      <span>
        <span className="mode-title">{title}</span>
        <span className="mode-text soft">{children}</span>
      </span>
    </label>
  );
}

interface WorkersProps {
  readonly workers: number;
  readonly disabled: boolean;
  readonly onWorkers: (workers: number) => void;
}

function Workers({ workers, disabled, onWorkers }: WorkersProps) {
  const id = useId();
  const cores = navigator.hardwareConcurrency;
  const most = mostWorkers(cores);
  return (
    <div className="workers">
      <label htmlFor={id}>Workers</label>
      <input
        id={id}
        type="range"
        min={1}
        max={most}
        value={workers}
        disabled={disabled}
        onChange={(e) => onWorkers(e.target.valueAsNumber)}
      />
      <output htmlFor={id} className="number">
        {workers}
      </output>
      {cores !== undefined && <span className="soft">of {cores} cores. The result does not depend on it.</span>}
    </div>
  );
}

const phases: Readonly<Record<Phase, string>> = {
  documents: "Reading the closure's documents",
  bytes: "Fetching and checking stored bytes",
  engine: "Starting the engine",
  claims: "Predicting blindly",
  training: "Training",
};

function Advance({ job }: { readonly job: Job }) {
  const words = wordsOf(job);
  const { progress } = job;
  return (
    <div className="advance">
      <Progress
        label={words}
        {...(job.status === "done"
          ? { value: 1 }
          : progress && { value: progress.done, max: Math.max(1, progress.total), text: progressText(progress, job) })}
      />
      <p className="hidden-text" role="status">
        {words}
      </p>
    </div>
  );
}

function wordsOf(job: Job): string {
  const phase = phases[job.phase];
  switch (job.status) {
    case "idle":
      return "";
    case "running":
      return phase;
    case "paused":
      return `${phase}: paused`;
    case "stopped":
      return `Stopped by you while: ${phase.toLowerCase()}`;
    case "done":
      return "Done";
    case "failed":
      return `Failed while: ${phase.toLowerCase()}`;
  }
}

function progressText(progress: ProgressData, job: Job): string {
  const { done, total, unit, perSecond } = progress;
  const amount = unit === "bytes" ? `${bytes(done)} of ${bytes(total)}` : `${count(done)} of ${count(total)} ${unit}`;
  const speed = unit === "bytes" ? `${bytes(Math.round(perSecond))}/s` : `${rate(perSecond)} ${unit}/s`;
  const left = secondsLeft(progress);
  return [
    amount,
    ...(perSecond > 0 ? [speed] : []),
    ...(left !== undefined && left > 0 && job.status === "running" ? [`${duration(left)} left`] : []),
  ].join(" · ");
}

function rate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond));
}

function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
